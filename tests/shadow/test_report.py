"""What a comparison says when it has to stop."""

from ingest.shadow.matching import SIDES, Matcher, Place, Side
from ingest.shadow.report import Examples, Report
from tests.shadow.test_matching import event

TOPICS: dict[Side, str] = {"old": "iotin", "new": "iotin.new"}


def report(matcher: Matcher, examples: Examples, unreadable: int = 0) -> Report:
    counts: dict[Side, int] = {"old": 0, "new": unreadable}
    return Report(TOPICS, matcher, examples, unreadable=counts, since_ms=0, grace_seconds=60)


def test_too_many_that_wait_are_no_proof_and_not_called_missing() -> None:
    examples = Examples(2)
    matcher = Matcher(examples.differs, most_unmatched=3)
    for number in range(5):
        for side in SIDES if number == 0 else SIDES[:1]:
            matcher.add(side, event(number), Place(0, number), 1)
    found = report(matcher, examples)
    told = found.as_json()
    assert (told["equal"], told["compared"], told["missing"], told["unmatched_limit_exceeded"]) == (False, 1, 0, True)
    assert list(found.as_text())[-1].startswith("Stopped: more than 3 records wait for the one of the other topic")


def test_one_record_that_cannot_be_read_is_enough_to_differ() -> None:
    examples = Examples(2)
    matcher = Matcher(examples.differs)
    for side in SIDES:
        matcher.add(side, event(1), Place(0, 1), 1)
    assert report(matcher, examples).is_equal
    assert not report(matcher, examples, unreadable=1).is_equal


def test_examples_are_bounded() -> None:
    examples = Examples(2)
    matcher = Matcher(examples.differs)
    for number in range(9):
        matcher.add("old", event(number), Place(0, number), 1)
        matcher.add("new", event(number, content="x"), Place(0, number), 1)
        examples.cannot_be_read("new", 0, number, "why")
    told = report(matcher, examples, unreadable=9).as_json()
    assert (told["differing"], told["fields"], told["unreadable_new"]) == (9, {"content": 9}, 9)
    assert [len(told["examples"][kind]) for kind in ("differing", "unreadable_new")] == [2, 2]
