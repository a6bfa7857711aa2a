"""Both directions read one table: what ends a link means the same for telemetry, commands and feedback."""

import pytest

from ingest.hub.conditions import KNOWN, of_link, of_message, of_status
from ingest.hub.link_errors import link_ended
from ingest.hub.service_errors import HubError, is_refusal


class AmqpFault(Exception):
    """As azure-eventhub raises what the hub said."""

    def __init__(self, condition: str) -> None:
        self.condition = condition
        self.description = "the hub's words"


@pytest.mark.parametrize("condition", [*KNOWN, "com.microsoft:never-heard-of", ""])
def test_what_refuses_a_reader_refuses_a_sender(condition: str) -> None:
    refused = of_link(condition).verdict == "refused"
    assert (link_ended(AmqpFault(condition)).verdict == "refused") == refused
    assert is_refusal(HubError(condition, "the hub's words")) == refused


@pytest.mark.parametrize(
    ("status", "refused"),
    [(200, False), (202, False), (401, True), (403, True), (404, True), (429, False), (500, False)],
)
def test_what_refuses_a_token_refuses_it_both_ways(status: int, refused: bool) -> None:
    class TokenAuthFailure(Exception):
        status_code = status

    class Answer(Exception):
        """As azure-eventhub words the same."""

    answer = Answer(f"CBS token rejected. Status code: {status}, Description: b'the hub's words'")
    assert (of_status(status) is not None) == refused
    assert is_refusal(TokenAuthFailure()) == refused
    assert (link_ended(answer).verdict == "refused") == refused


def test_what_nobody_knows_is_tried_again() -> None:
    assert of_link("com.microsoft:never-heard-of") == ("lost", "other")
    assert of_message("com.microsoft:never-heard-of") == ("retry", "other")
