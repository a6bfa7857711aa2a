"""How changes of owner are counted."""

from tests.cluster.beside import Owners


def test_changes_of_owner() -> None:
    owners = Owners(4)
    assert owners.note({"0": "a", "1": "a"})
    assert owners.note({"0": "a", "1": "a", "2": "a", "3": ""})
    assert (owners.changes, owners.even(1)) == (0, False)
    owners.note({"0": "a", "1": "b", "2": "a", "3": "b"})
    assert (owners.changes, owners.even(2), owners.even(1)) == (1, True, False)
    assert not owners.note({"0": "a", "1": "b", "2": "a", "3": "b"})
    owners.note({"0": "", "1": "b", "2": "b", "3": "b"})
    assert (owners.changes, owners.even(2)) == (3, False)
    assert owners.shares == {"b": 3}
