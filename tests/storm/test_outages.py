"""tests.storm.outages: what is gone is seen, for how long, and what was told of it."""

from tests.storm.outages import Sample, back_after, part_of, ready_after, told


def _samples(*counts: int, reasons: dict[int, str] | None = None) -> list[Sample]:
    """One a second from 0 on."""
    return [
        Sample(float(at), {"telemetry": count}, tuple(filter(None, [(reasons or {}).get(at)])))
        for at, count in enumerate(counts)
    ]


def test_back_is_the_end_of_the_longest_silence() -> None:
    assert back_after(_samples(1, 2, 3, 3, 3, 3, 4, 4, 5), "telemetry", 1.0) == 5.0


def test_what_does_not_arrive_any_more_is_not_back() -> None:
    assert back_after(_samples(1, 2, *[3] * 15), "telemetry", 1.0) is None


def test_the_first_words_of_each_part_count() -> None:
    samples = _samples(1, 2, 2, 3, 4, reasons={0: "source 0: old", 2: "source 0: silent", 3: "source 0: still"})
    assert told(samples, 1.0) == {"telemetry": (1.0, "source 0: silent")}
    assert ready_after(samples, 1.0) == 3.0


def test_reasons_belong_to_parts() -> None:
    assert part_of("sink 1: IoT Hub x: no frame from the hub for 60 s") == "commands"
    assert part_of("feedback: Kafka has acknowledged nothing for 10 s") == "Kafka"
