"""A hub may take a link and end it in one breath: the link has come up, and its reason is told."""

from collections.abc import Callable
from typing import Any

import pytest

from ingest.amqp.link import Link
from ingest.amqp.performatives import Error
from ingest.hub.client.client import Client
from ingest.hub.client.manners import commands, events, feedback
from ingest.hub.client.partition_link import PartitionLink
from ingest.hub.client.receiving import ReceivingLink
from ingest.hub.client.requests import CBS, Node, put_token
from ingest.hub.client.sending import SendingLink
from ingest.hub.link_errors import link_ended
from ingest.hub.position import EARLIEST, StartAt
from tests.amqp.pair import accept
from tests.hub.client.memory import in_memory


def taken_and_ended(link: Link) -> None:
    accept(link)
    link.detach(Error(condition="amqp:link:stolen", description="New receiver …"))


LINKS: dict[str, Callable[[Client], Any]] = {
    "commands": lambda client: SendingLink(client, commands("hub", "client")),
    "feedback": lambda client: ReceivingLink(client, feedback("hub", "client"), credit=5),
    "events": lambda client: PartitionLink(
        client, events("amqps://hub/h", StartAt(EARLIEST), owner_level=1, tracks_newest=True)
    ),
}


@pytest.mark.parametrize("name", LINKS)
def test_a_link_that_ends_with_its_attach_has_come_up_and_says_why(name: str) -> None:
    client, _ = in_memory(taken_and_ended)
    link = LINKS[name](client)
    client.work(0)
    assert link.came_up
    assert (link_ended(link.error).reason, link.error.description) == ("stolen", "New receiver …")


def test_a_question_to_a_node_that_ends_with_its_attach_is_answered_with_the_reason() -> None:
    client, _ = in_memory(taken_and_ended)
    answers: list[Any] = []
    Node(client, CBS).ask(put_token("audience", "token"), answers.append)
    client.work(0)
    assert [answer.condition for answer in answers] == ["amqp:link:stolen"]


@pytest.mark.parametrize(
    ("strike", "reason", "words"),
    [
        (lambda hub: hub.sessions[0].links[0].detach(), "detached", "the hub detached the link without a reason"),
        (lambda hub: hub.sessions[0].end(), "detached", "the hub ended the session without a word"),
        (lambda hub: hub.close(), "closed", "the hub closed the connection without a reason"),
        (
            lambda hub: hub.close(Error(condition="amqp:connection:forced", description="bye")),
            "closed",
            "amqp:connection:forced: bye",
        ),
        (lambda hub: hub.close(Error(condition="", description="bye")), "closed", "bye"),
    ],
    ids=["detach", "end", "close", "close in words", "close without a condition"],
)
def test_what_ends_has_a_reason_with_and_without_words(strike: Callable[[Any], None], reason: str, words: str) -> None:
    client, stream = in_memory(accept)
    link = LINKS["events"](client)
    client.work(0)
    strike(stream.hub)
    stream.sent += stream.hub.data_to_send()
    found: Exception | None = None
    try:
        client.work(0)
        found = link.error
    except Exception as error:
        found = error
    assert found is not None
    ended = link_ended(found)
    assert (ended.verdict, ended.reason, str(ended)) == ("lost", reason, words)
