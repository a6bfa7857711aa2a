"""What every checkpoint store must do; each store's test module runs all of it through a fixture `opener`."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from ingest.source.checkpoints.store import Changed, Checkpoint, CheckpointStore, Scope

Opener = Callable[[Scope], CheckpointStore]
"""Opens a store on one and the same place, which is empty and missing at the beginning of a test."""

SCOPE = Scope("NS-1.servicebus.windows.net", "Telemetry", "$Default")


def position(partition: str, number: int) -> Checkpoint:
    return Checkpoint(partition, str(number * 100), number)


def without_time(checkpoint: Checkpoint | None) -> Checkpoint | None:
    return checkpoint and Checkpoint(checkpoint.partition, checkpoint.offset, checkpoint.sequence_number)


class StoreContract:
    def test_nothing_saved_yet(self, opener: Opener) -> None:
        store = opener(SCOPE)
        assert store.load("0") is None
        assert store.load_all() == []
        store.delete("0")

    def test_check_makes_the_place_and_leaves_nothing_in_it(self, opener: Opener) -> None:
        store = opener(SCOPE)
        store.check()
        store.check()
        assert store.load_all() == []

    def test_saved_is_loaded_also_by_another_instance(self, opener: Opener) -> None:
        store = opener(SCOPE)
        before = time.time()
        store.save(position("7", 3))
        for reader in (store, opener(SCOPE)):
            loaded = reader.load("7")
            assert without_time(loaded) == position("7", 3)
            assert loaded is not None
            assert loaded.time is not None
            assert before - 2 <= loaded.time <= time.time() + 2  # blob times are whole seconds

    def test_the_last_save_wins_even_if_it_goes_back(self, opener: Opener) -> None:
        store = opener(SCOPE)
        for number in (5, 6, 2):
            store.save(position("0", number))
        assert without_time(store.load("0")) == position("0", 2)

    def test_one_of_two_who_replace_the_same_state_succeeds(self, opener: Opener) -> None:
        mine, theirs = opener(SCOPE), opener(SCOPE)
        first = mine.save(position("0", 1), None)
        seen = theirs.load("0")
        assert seen is not None
        second = mine.save(position("0", 2), first)
        with pytest.raises(Changed) as lost:
            theirs.save(position("0", 9), seen)
        assert without_time(lost.value.found) == position("0", 2)
        assert without_time(mine.load("0")) == position("0", 2)
        third = theirs.save(position("0", 3), lost.value.found)
        with pytest.raises(Changed):
            mine.save(position("0", 4), second)
        assert without_time(mine.save(position("0", 1), third)) == position("0", 1), "back, by who knows the state"

    def test_one_of_many_makes_the_first(self, opener: Opener) -> None:
        stores = [opener(SCOPE) for _ in range(4)]
        stores[0].check()

        def save(number: int) -> bool:
            try:
                stores[number].save(position("0", number), None)
            except Changed as lost:
                return lost.found is None
            return True

        with ThreadPoolExecutor(4) as threads:
            won = list(threads.map(save, range(4)))
        assert won.count(True) == 1
        assert without_time(stores[0].load("0")) == position("0", won.index(True))

    def test_what_was_forgotten_is_no_longer_replaced(self, opener: Opener) -> None:
        store = opener(SCOPE)
        seen = store.save(position("0", 1), None)
        opener(SCOPE).delete("0")
        with pytest.raises(Changed) as lost:
            store.save(position("0", 2), seen)
        assert lost.value.found is None
        store.save(position("0", 2), None)
        assert without_time(store.load("0")) == position("0", 2)

    def test_offsets_are_opaque(self, opener: Opener) -> None:
        store = opener(SCOPE)
        store.save(Checkpoint("0", "12:34567:89", None))
        assert without_time(store.load("0")) == Checkpoint("0", "12:34567:89", None)

    def test_a_position_by_sequence_number_alone(self, opener: Opener) -> None:
        store = opener(SCOPE)
        store.save(Checkpoint("0", None, 0))
        assert without_time(store.load("0")) == Checkpoint("0", None, 0)

    def test_all_in_the_order_of_the_partitions(self, opener: Opener) -> None:
        store = opener(SCOPE)
        for partition in ("10", "9", "0", "31"):
            store.save(position(partition, int(partition)))
        assert [without_time(each) for each in store.load_all()] == [position(str(n), n) for n in (0, 9, 10, 31)]

    def test_delete_forgets_one(self, opener: Opener) -> None:
        store = opener(SCOPE)
        store.save(position("1", 1))
        store.save(position("10", 2))
        store.delete("1")
        store.delete("1")
        assert store.load("1") is None
        assert [each.partition for each in store.load_all()] == ["10"]

    def test_scopes_do_not_meet(self, opener: Opener) -> None:
        scopes = [
            SCOPE,
            Scope(SCOPE.namespace, SCOPE.event_hub, "backup"),
            Scope(SCOPE.namespace, "telemetry2", SCOPE.consumer_group),
            Scope("localhost:5672", SCOPE.event_hub, SCOPE.consumer_group),
        ]
        for number, scope in enumerate(scopes):
            opener(scope).save(position("0", number))
        for number, scope in enumerate(scopes):
            assert [without_time(each) for each in opener(scope).load_all()] == [position("0", number)]

    def test_case_of_names_does_not_matter(self, opener: Opener) -> None:
        opener(SCOPE).save(position("0", 1))
        shouting = Scope(SCOPE.namespace.upper(), SCOPE.event_hub.upper(), SCOPE.consumer_group.upper())
        assert without_time(opener(shouting).load("0")) == position("0", 1)

    def test_close_twice(self, opener: Opener) -> None:
        store = opener(SCOPE)
        store.check()
        store.close()
        store.close()
