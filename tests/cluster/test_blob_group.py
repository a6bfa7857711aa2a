"""A node among owners of blobs: a store in memory first, then Azurite."""

import uuid
from collections.abc import Mapping
from random import Random

import pytest

from ingest.cluster.balance import Ownership
from ingest.cluster.blob_group import EXPIRY_SECONDS, BlobGroup
from ingest.cluster.contract import Change
from ingest.cluster.ownership_blobs import OwnershipBlobs
from ingest.config import Checkpoints, Proxy, Secret
from ingest.errors import Unreachable
from ingest.timing import Deadline
from tests.services.azurite import Azurite

ALL = ("0", "1", "2", "3")


class Memory:
    """Blobs with ETags; a blob's age is what the test says."""

    def __init__(self) -> None:
        self.blobs: dict[str, Ownership] = {}
        self.away = False
        self.thief: str | None = None
        """Takes a partition between a look and the claim."""
        self._tags = iter(range(10_000))

    def read(self) -> Mapping[str, Ownership]:
        if self.away:
            raise Unreachable("the ownership blobs cannot be read")
        return dict(self.blobs)

    def claim(self, partition: str, owner: str, over: Ownership | None) -> Ownership | None:
        if partition == self.thief:
            self.set(partition, "other")
        present = self.blobs.get(partition)
        if (present and present.etag) != (over and over.etag):
            return None
        return self.set(partition, owner)

    def set(self, partition: str, owner: str, age: float = 0.0) -> Ownership:
        self.blobs[partition] = Ownership(owner, age, str(next(self._tags)))
        return self.blobs[partition]

    def close(self) -> None: ...


def node(blobs: Memory) -> BlobGroup:
    return BlobGroup(blobs, ALL, "ingest/edge-1/127.0.0.1:9464", rng=Random(1))


def gained(changes: list[Change]) -> set[str]:
    return {partition for change in changes if change.kind == "gained" for partition in change.partitions}


def test_alone_it_takes_everything_and_keeps_it() -> None:
    blobs = Memory()
    one = node(blobs)
    one.look()
    assert one.joined
    assert gained(list(one.poll())) == set(ALL)
    tags = {each.etag for each in blobs.blobs.values()}
    one.look()
    assert one.poll() == []
    assert {each.etag for each in blobs.blobs.values()}.isdisjoint(tags), "all are renewed"
    one.leave()
    assert {each.owner for each in blobs.blobs.values()} == {""}


def test_what_another_has_taken_is_stolen() -> None:
    blobs = Memory()
    one, other = node(blobs), node(blobs)
    one.look()
    other.look()
    theirs = gained(list(other.poll()))
    assert len(theirs) == 2
    one.poll()
    one.look()
    assert [(change.kind, set(change.partitions)) for change in one.poll()] == [("stolen", theirs)]
    assert {name: len(each) for name, each in (one.members or {}).items()} == {one.owner: 2, other.owner: 2}
    other.look()
    assert other.poll() == []


def test_a_claim_that_comes_too_late_takes_nothing() -> None:
    blobs = Memory()
    one = node(blobs)
    blobs.thief = "2"
    one.look()
    assert gained(list(one.poll())) == {"0", "1", "3"}
    assert blobs.blobs["2"].owner == "other"


def test_what_is_not_renewed_is_taken() -> None:
    blobs = Memory()
    for partition in ALL:
        blobs.set(partition, "dead", EXPIRY_SECONDS + 1)
    one = node(blobs)
    one.look()
    assert gained(list(one.poll())) == set(ALL)


def test_an_outage_of_the_store_takes_nothing_away() -> None:
    blobs = Memory()
    one = node(blobs)
    one.look()
    one.poll()
    blobs.away = True
    with pytest.raises(Unreachable):
        one.look()
    assert one.poll() == []


@pytest.mark.services
def test_blobs_of_azurite(blob: Azurite) -> None:
    settings = Checkpoints("blob", Secret(blob.connection_string), container=f"c-{uuid.uuid4().hex}")

    def opened() -> OwnershipBlobs:
        return OwnershipBlobs(settings, Proxy(), "NS/Hub/$Default")

    first = opened()
    first._client.create_container()
    assert first.read() == {}
    assert first.claim("0", "a", None) is not None
    assert first.claim("0", "b", None) is None, "exactly one creates it"
    found = first.read()["0"]
    assert found.owner == "a"
    assert 0 <= found.age < 30
    assert first.claim("0", "b", found) is not None
    assert first.claim("0", "c", found) is None, "only the state that was read is replaced"
    assert [blob.name for blob in first._client.list_blobs()] == ["ns/hub/$default/ownership/0"]
    one = BlobGroup(opened(), ALL, "ingest/edge-1/127.0.0.1:9464", interval=0.1)
    one.start()
    deadline = Deadline(60)
    held: set[str] = set()
    while len(held) < 2 and not deadline.expired:
        held |= gained(list(one.poll()))
        one.join(Deadline(0.05))
    one.close()
    assert one.join(Deadline(60))
    owners = {partition: each.owner for partition, each in first.read().items()}
    assert set(owners.values()) <= {"b", ""}
    assert sum(owner == "" for owner in owners.values()) >= len(held) >= 2
    first.close()
