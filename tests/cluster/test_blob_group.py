"""A node among owners of blobs: a store in memory first, then Azurite."""

import uuid
from collections.abc import Mapping, Sequence
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
        self.reads = self.claims = 0
        self.numbers: dict[str, int] = {}
        self.thief: str | None = None
        """Takes a partition between a look and the claim."""
        self._tags = iter(range(10_000))

    def read(self) -> Mapping[str, Ownership]:
        if self.away:
            raise Unreachable("the ownership blobs cannot be read")
        self.reads += 1
        return dict(self.blobs)

    def sequence_numbers(self) -> Mapping[str, int]:
        if self.away:
            raise Unreachable("the checkpoints cannot be read")
        return self.numbers

    def claim(self, partition: str, owner: str, over: Ownership | None) -> Ownership | None:
        self.claims += 1
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


def node(blobs: Memory, weight: int = 1, partitions: Sequence[str] = ALL) -> BlobGroup:
    return BlobGroup(blobs, partitions, "ingest/edge-1/127.0.0.1:9464", weight, rng=Random(1))


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


def test_a_node_of_weight_two_has_twice_as_many_and_is_one_node() -> None:
    blobs, six = Memory(), [str(number) for number in range(6)]
    one, heavy = node(blobs, partitions=six), node(blobs, 2, six)
    one.look()
    blobs.claims = 0
    heavy.look()
    assert len(gained(list(heavy.poll()))) == blobs.claims == 4, "each of its owners leaves the others their share"
    one.look()
    assert {name: len(each) for name, each in (one.members or {}).items()} == {one.owner: 2, heavy.owner: 4}
    tags = {each.etag for each in blobs.blobs.values()}
    heavy.look()
    assert heavy.poll() == [], "what goes from one of its owners to another stays where it is"
    assert len({each.etag for each in blobs.blobs.values()} - tags) == 4
    heavy.leave()
    assert sum(each.owner == "" for each in blobs.blobs.values()) == 4


def test_a_glance_takes_what_nobody_has_and_nothing_else() -> None:
    blobs = Memory()
    one, other = node(blobs), node(blobs)
    one.look()
    before = dict(blobs.blobs)
    other.look(glance=True)
    assert blobs.blobs == before, "nothing is renewed, and nobody robbed"
    other.look()
    mine = gained(list(other.poll()))
    one.leave()
    before = dict(blobs.blobs)
    assert other.look(glance=True)
    assert gained(list(other.poll())) == set(ALL) - mine
    assert {each: blobs.blobs[each] for each in mine} == {each: before[each] for each in mine}


@pytest.mark.parametrize("first", range(8))
def test_the_busiest_do_not_gather_on_one_node(first: int) -> None:
    blobs, eight = Memory(), [str(number) for number in range(8)]
    busy = {str((first + number) % 8) for number in range(4)}
    blobs.numbers = {each: 1_000 if each in busy else 1 for each in eight}
    one, other = node(blobs, partitions=eight), node(blobs, partitions=eight)
    one.look()
    other.look_at_rates()
    other.look()
    assert len(gained(list(other.poll())) & busy) == 2
    blobs.away = True
    other._rates_at = float("-inf")
    other.look_at_rates()
    assert other._rates.known(), "what was known holds"


def test_one_that_leaves_is_followed_at_once_and_who_is_alone_asks_seldom() -> None:
    blobs = Memory()
    one = BlobGroup(blobs, ALL, "ingest/edge-1/127.0.0.1:1", interval=3_600, glance=0.05)
    blobs.set("0", "other")
    blobs.set("1", "other")
    one.start()
    deadline = Deadline(60)
    while blobs.reads < 5 and not deadline.expired:
        one.join(Deadline(0.01))
    for partition in "01":
        blobs.set(partition, "")
    held = gained(list(one.poll()))
    while len(held) < len(ALL) and not deadline.expired:
        held |= gained(list(one.poll()))
        one.join(Deadline(0.01))
    assert held == set(ALL)
    reads = blobs.reads
    one.join(Deadline(0.3))
    assert blobs.reads <= reads + 1
    one.close()
    assert one.join(deadline)


@pytest.mark.services
def test_blobs_of_azurite(blob: Azurite) -> None:
    settings = Checkpoints("blob", Secret(blob.connection_string), container=f"c-{uuid.uuid4().hex}")

    def opened() -> OwnershipBlobs:
        return OwnershipBlobs(settings, Proxy(), "NS/Hub/$Default")

    first = opened()
    first._client.create_container()
    assert first.read() == {}
    for partition, number in (("0", "41"), ("1", "no number")):
        first._client.upload_blob(f"ns/hub/$default/checkpoint/{partition}", b"", metadata={"sequencenumber": number})
    assert first.sequence_numbers() == {"0": 41}
    assert first.claim("0", "a", None) is not None
    assert first.claim("0", "b", None) is None, "exactly one creates it"
    found = first.read()["0"]
    assert found.owner == "a"
    assert 0 <= found.age < 30
    assert first.claim("0", "b", found) is not None
    assert first.claim("0", "c", found) is None, "only the state that was read is replaced"
    assert [blob.name for blob in first._client.list_blobs()][2:] == ["ns/hub/$default/ownership/0"]
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
