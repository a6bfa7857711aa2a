"""The rules of other processors, as the simulation has them, against those of their clients."""

import json
import subprocess
import time
from collections import Counter
from collections.abc import Collection, Mapping
from random import Random
from unittest.mock import Mock

import pytest
from azure.eventhub import LoadBalancingStrategy
from azure.eventhub._eventprocessor.ownership_manager import OwnershipManager
from hypothesis import given
from hypothesis import strategies as st

from bench.scale.manners import JAVASCRIPT, PYTHON, javascript, python
from ingest.cluster.balance import Ownership
from tests.services import javascript as node

PARTITIONS = [str(number) for number in range(12)]
OWNERS = ("me", "a", "b", "c", "")
AGES = (5, 50, 70, 170, 190)
BLOBS = st.dictionaries(
    st.sampled_from(PARTITIONS), st.builds(Ownership, st.sampled_from(OWNERS), st.sampled_from(AGES))
)
SCRIPT = """
import { readFileSync } from "node:fs";
const { listAvailablePartitions } = await import(process.argv[1]);
const { partitions, expiry, cases } = JSON.parse(readFileSync(0, "utf8"));
const claims = cases.map((found) => {
  const owners = new Map(
    Object.entries(found).map(([partitionId, [ownerId, age]]) => [
      partitionId,
      { partitionId, ownerId, lastModifiedTimeInMs: Date.now() - age * 1000 },
    ]),
  );
  return listAvailablePartitions("me", owners, partitions, expiry * 1000);
});
console.log(JSON.stringify(claims));
"""


@given(BLOBS, st.integers())
def test_pythons(found: dict[str, Ownership], seed: int) -> None:
    manager = OwnershipManager(Mock(), "$Default", "me", None, PYTHON.expiry, LoadBalancingStrategy.GREEDY, None)
    listed = [
        {"partition_id": partition, "owner_id": each.owner, "last_modified_time": time.time() - each.age}
        for partition, each in found.items()
    ]
    theirs = {each["partition_id"] for each in manager._balance_ownership(listed, PARTITIONS)}
    mine = {each for each in _active(found, PYTHON.expiry) if found[each].owner == "me"}
    assert mine <= theirs
    same(python("me", PARTITIONS, found, PYTHON.expiry, Random(seed)), theirs - mine, found, PYTHON.expiry)


@pytest.mark.services
def test_javascripts() -> None:
    rng = Random(1)

    def ownerships() -> dict[str, Ownership]:
        some = rng.sample(PARTITIONS, rng.randint(0, 12))
        owners = OWNERS[: rng.randint(1, 5)]
        return {each: Ownership(rng.choice(owners), rng.choice(AGES)) for each in some}

    cases = [ownerships() for _ in range(400)]
    asked = {
        "partitions": PARTITIONS,
        "expiry": JAVASCRIPT.expiry,
        "cases": [{partition: [each.owner, each.age] for partition, each in found.items()} for found in cases],
    }
    rule = node.ensure() / "node_modules/@azure/event-hubs/dist/esm/loadBalancerStrategies/loadBalancingStrategy.js"
    command = [*node.node_command(), "--input-type=module", "--eval", SCRIPT, str(rule)]
    answer = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, timeout=60, check=True)
    for found, theirs in zip(cases, json.loads(answer.stdout), strict=True):
        ours = javascript("me", PARTITIONS, found, JAVASCRIPT.expiry, rng)
        same(ours, theirs, found, JAVASCRIPT.expiry)


def same(ours: Collection[str], theirs: Collection[str], found: Mapping[str, Ownership], expiry: float) -> None:
    """As many, and from owners that have as many: which ones is chance."""
    active = _active(found, expiry)
    shares = Counter(found[each].owner for each in active)
    assert len(ours) == len(set(ours)) == len(theirs)
    victims = [sorted(shares[found[each].owner] for each in claims if each in active) for claims in (ours, theirs)]
    assert victims[0] == victims[1], (found, ours, theirs)


def _active(found: Mapping[str, Ownership], expiry: float) -> set[str]:
    return {partition for partition, each in found.items() if each.owner and each.age <= expiry}
