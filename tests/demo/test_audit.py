"""The audit against a model that keeps everything it was told."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from ingest.demo.audit import Audit

DEVICES = ("a", "b")
EVENTS = st.lists(st.tuples(st.sampled_from(DEVICES), st.integers(1, 12)), max_size=60)
SENT = st.fixed_dictionaries({}, optional={device: st.integers(0, 15) for device in DEVICES})


@given(EVENTS, SENT)
def test_it_agrees_with_a_simple_model(events: list[tuple[str, int]], sent: dict[str, int]) -> None:
    audit = Audit()
    seen: list[tuple[str, int]] = []
    late = 0
    for device, counter in events:
        audit.see(device, counter)
        if (device, counter) not in seen and any(one == device and other > counter for one, other in seen):
            late += 1
        seen.append((device, counter))
    assert audit.records == len(events)
    assert audit.arrived == len(set(events))
    assert audit.duplicated == sum(count - 1 for count in Counter(events).values())
    assert audit.out_of_order == late
    missing = {(device, one) for device, count in sent.items() for one in range(1, count + 1)} - set(events)
    assert audit.missing(sent) == len(missing)
    assert set(audit.missing_examples(sent, 100)) == missing
    assert audit.missing_examples(sent, 3) == audit.missing_examples(sent, 100)[:3]


def test_a_record_of_nobody_is_counted_apart() -> None:
    audit = Audit()
    audit.see_unreadable()
    assert (audit.records, audit.unreadable, audit.arrived, audit.missing({"a": 1})) == (1, 1, 0, 1)
