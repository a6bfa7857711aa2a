from typing import Any, cast

import pytest
from azure.eventhub._pyamqp.error import AMQPConnectionError, AMQPLinkError, AuthenticationException
from azure.eventhub.exceptions import AuthenticationError, ConnectError, ConnectionLostError

from ingest.hub.link_errors import LinkEnded, last_offset, link_ended


def detached(condition: str, description: str = "as the service says it") -> AMQPLinkError:
    return AMQPLinkError(condition=condition.encode(), description=description.encode())


@pytest.mark.parametrize(
    ("condition", "verdict", "reason"),
    [
        ("amqp:not-found", "refused", "not_found"),
        ("amqp:unauthorized-access", "refused", "unauthorized"),
        ("amqp:link:stolen", "lost", "stolen"),
        ("amqp:link:detach-forced", "lost", "detached"),
        ("amqp:resource-limit-exceeded", "lost", "too_many_readers"),
        ("com.microsoft:server-busy", "lost", "server_busy"),
        ("com.microsoft:entity-updated", "lost", "entity_updated"),
        ("com.microsoft:something-new", "lost", "other"),
    ],
)
def test_conditions_of_the_service(condition: str, verdict: str, reason: str) -> None:
    ended = link_ended(detached(condition))
    assert (ended.verdict, ended.reason) == (verdict, reason)
    assert str(ended) == f"{condition}: as the service says it"


def test_an_offset_that_the_hub_does_not_know_is_told_from_another_bad_argument() -> None:
    unknown = "The supplied offset '9' is invalid. The last offset in the system is '5'"
    assert link_ended(detached("com.microsoft:argument-error", unknown)).verdict == "bad_position"
    assert link_ended(detached("com.microsoft:georeplication:invalid-offset", "bad")).verdict == "bad_position"
    assert link_ended(detached("com.microsoft:argument-error", "the partition id is no number")).verdict == "refused"


@pytest.mark.parametrize(
    ("condition", "words", "last"),
    [
        ("com.microsoft:argument-error", "The supplied offset '9' is invalid. The last offset in the system is '5'", 5),
        (
            "com.microsoft:argument-error",
            "The supplied offset '9' is invalid. The last offset in the system is '-1'",
            -1,
        ),
        (
            "com.microsoft:argument-error",
            "The supplied sequence number '9' is invalid. The last sequence number in the system is '5'",
            None,
        ),
        ("com.microsoft:argument-out-of-range", "The sequenceNumber is out of range", None),
        ("com.microsoft:georeplication:invalid-offset", "bad", None),
    ],
)
def test_a_position_that_the_hub_does_not_know(condition: str, words: str, last: int | None) -> None:
    ended = link_ended(detached(condition, words))
    assert (ended.verdict, ended.reason) == ("bad_position", "bad_position")
    assert last_offset(ended) == last


def test_the_condition_is_found_inside_the_client_s_own_errors() -> None:
    wrapped = ConnectionLostError("lost", cast(Any, detached("com.microsoft:server-busy", "Please wait 4 seconds")))
    ended = link_ended(wrapped)
    assert ended.reason == "server_busy"
    assert "Please wait 4 seconds" in str(ended)


def test_authentication_and_management_answers() -> None:
    refused = AuthenticationException(
        b"amqp:client-error", description="CBS Token authentication failed. Status code: 401"
    )
    assert (link_ended(refused).verdict, link_ended(refused).reason) == ("refused", "unauthorized")
    assert link_ended(AuthenticationError(str(refused), cast(Any, refused))).reason == "unauthorized"
    missing = AMQPConnectionError(b"amqp:not-found", description="Management connection failed. Status code: 404, …")
    assert link_ended(ConnectError(str(missing), cast(Any, missing))).reason == "not_found"


def test_the_network() -> None:
    assert link_ended(TimeoutError("timed out")).reason == "timeout"
    assert link_ended(ConnectionRefusedError(111, "Connection refused")).reason == "connection_lost"
    assert link_ended(AMQPConnectionError(b"amqp:socket-error", description="reset")).reason == "connection_lost"


def test_what_is_classified_already_stays_as_it_is() -> None:
    ended = LinkEnded("lost", "silent", "no event")
    assert link_ended(ended) is ended
