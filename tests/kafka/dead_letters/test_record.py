"""What a dead letter consists of, and what is left of one that a topic refuses."""

from ingest.kafka.dead_letters.record import dead_letter, position_alone, utf8, with_key, without_body

POSITION: dict[str, str | int | None] = {
    "event-hub": "hub",
    "partition": "3",
    "offset": "120",
    "sequence-number": 12,
    "device-id": None,
}
COMMAND: dict[str, str | int | None] = {"topic": "iotout", "partition": 1, "offset": 7}


def test_text_that_is_no_unicode_does_not_keep_a_letter_from_being_written() -> None:
    letter = dead_letter(b"k", b"v", "why", "half a \ud800", {"device-id": "dev-\udfff"})
    assert letter.headers == [
        ("ingest-reason", b"why"),
        ("ingest-error", b"half a \\ud800"),
        ("ingest-device-id", b"dev-\\udfff"),
    ]
    assert utf8("ä") == b"\xc3\xa4"


def test_the_position_alone_has_a_key_made_of_it() -> None:
    letter = dead_letter(None, b"body", "why", "It is bad.", POSITION, [("ingest-reason", b"theirs"), ("own", b"x")])
    assert position_alone(letter) == (
        b"hub/3/120/12",
        b"",
        [
            ("ingest-reason", b"why"),
            ("ingest-event-hub", b"hub"),
            ("ingest-partition", b"3"),
            ("ingest-offset", b"120"),
            ("ingest-sequence-number", b"12"),
            ("ingest-body-omitted", b"4"),
        ],
    )


def test_a_command_s_position_is_its_place_in_kafka() -> None:
    letter = dead_letter(b"k", b"v", "why", "It is bad.", COMMAND)
    assert position_alone(letter).key == b"iotout/1/7"


def test_a_key_of_its_own_only_where_there_is_none() -> None:
    letter = dead_letter(b"dev-1", b"body", "why", "It is bad.", POSITION)
    assert with_key(letter) == letter
    assert with_key(letter._replace(key=None)) == letter._replace(key=b"hub/3/120/12")
    assert without_body(letter).headers[-1] == ("ingest-body-omitted", b"4")
