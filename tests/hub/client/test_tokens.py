"""The token of a connection is renewed in time, whatever the hub makes of `$cbs` meanwhile."""

import base64
import time
from collections.abc import Callable, Iterator

import pytest

from ingest.amqp.performatives import RECEIVER, SENDER
from ingest.emulator import Emulator
from ingest.emulator.amqp.sas import sign
from ingest.emulator.keys import POLICY
from ingest.hub.auth.contract import BEARER, Claim, NoToken, Token
from ingest.hub.auth.contract import IOT_HUB as SERVICE
from ingest.hub.auth.identity import WRONG_IOT_HUB_KEY
from ingest.hub.client.client import Client
from ingest.hub.client.manners import IOT_HUB, commands
from ingest.hub.client.sending import SendingLink
from ingest.hub.client.tokens import (
    ANSWER_SECONDS,
    LACKING_SECONDS,
    PENDING_SECONDS,
    RENEW_SHARE,
    RETRY_SHARE,
    TokenKeeper,
)
from ingest.hub.service_errors import HubError, is_refusal, words
from ingest.timing import Deadline
from tests.hub.auth.fake_entra import jwt
from tests.hub.client.clients import HOST, PATIENCE, connected
from tests.service.endings import FORMS, end_links

LIFE = 1000.0
FIX = "give the identity that role"
JUST_BEFORE, JUST_AFTER = LIFE * RENEW_SHARE - 1, LIFE * RENEW_SHARE + 1


@pytest.fixture(scope="module")
def hub() -> Iterator[Emulator]:
    with Emulator(partitions=1, c2d=True) as emulator:
        yield emulator


class Kept:
    """A keeper on a connection of its own, by a clock that the test sets."""

    def __init__(self, hub: Emulator) -> None:
        self.now = 0.0
        self.made = 0
        self.key = hub.keys.service
        self.ahead = 0
        """Of the hub's clock, seconds: that of the machine that makes the tokens."""
        self.client: Client = connected(hub, IOT_HUB)
        self.keeper = TokenKeeper(
            self.client, Claim(f"https://{HOST}", self._make, WRONG_IOT_HUB_KEY), clock=lambda: self.now
        )

    def _make(self) -> Token:
        self.made += 1
        return Token(sign(HOST, base64.b64decode(self.key), int(time.time()) + 3600 + self.ahead, POLICY), LIFE)

    def at(self, seconds: float, reached: Callable[[], bool]) -> None:
        self.now = seconds
        self.work(reached)

    def work(self, reached: Callable[[], bool]) -> None:
        def tended() -> bool:
            self.keeper.tend()
            return reached()

        self.client.until(tended, Deadline(PATIENCE), "done what was waited for")

    def idle(self) -> bool:
        return self.keeper.granted and self.keeper.holds_seconds > 0 and not self.keeper.asking


@pytest.fixture
def kept(hub: Emulator) -> Iterator[Kept]:
    made = Kept(hub)
    made.work(lambda: made.keeper.granted)
    yield made
    made.client.close()


def test_a_token_is_renewed_before_it_ends_and_not_earlier(kept: Kept) -> None:
    for life in range(3):
        assert kept.made == life + 1
        begun = kept.now
        kept.at(begun + JUST_BEFORE, kept.idle)
        assert kept.made == life + 1
        kept.at(begun + JUST_AFTER, lambda life=life: kept.made == life + 2 and kept.idle())  # type: ignore[misc]
        assert kept.keeper.holds_seconds == LIFE


@pytest.mark.parametrize("form", [form for form in FORMS if form.startswith("detach")])
def test_a_link_for_tokens_that_ends_alone_is_attached_again(hub: Emulator, kept: Kept, form: str) -> None:
    link = SendingLink(kept.client, commands(HOST, kept.client.container_id))
    kept.work(lambda: link.ready)
    assert end_links(hub, form, "$cbs") == 2
    kept.work(lambda: kept.keeper._node is not None and kept.keeper._node.error is not None)
    kept.at(JUST_AFTER, lambda: kept.made == 2 and kept.keeper.holds_seconds == LIFE)
    kept.at(LIFE + 1, kept.idle)
    assert (link.ready, link.error) == (True, None)


@pytest.mark.parametrize("role", [SENDER, RECEIVER])
def test_one_link_of_the_pair_that_ends_alone_ends_the_other(
    hub: Emulator, kept: Kept, role: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    detach = FORMS["detach"]
    monkeypatch.setitem(FORMS, "half", lambda link: detach(link) if link._attach.role is role else b"")
    end_links(hub, "half", "$cbs")
    kept.work(lambda: kept.keeper._node is not None and kept.keeper._node.error is not None)
    kept.at(JUST_AFTER, lambda: kept.made == 2 and kept.keeper.holds_seconds == LIFE)
    wanted = [("$cbs", SENDER), ("$cbs", RECEIVER)]
    assert sorted(links_of(hub)) == sorted(wanted), "no link of the first pair is left"


def links_of(hub: Emulator) -> list[tuple[str, bool]]:
    return [
        ("$cbs", link._attach.role)
        for connection in list(hub._server._connections)
        for link in list(connection.links.values())
        if link._attach is not None
    ]


def test_a_renewal_that_is_refused_is_tried_again_while_the_last_token_holds(kept: Kept) -> None:
    good, kept.key = kept.key, "d3Jvbmc="
    kept.at(JUST_AFTER, lambda: kept.made == 2 and not kept.keeper.asking)
    kept.key = good
    kept.at(JUST_AFTER + LIFE * RETRY_SHARE + 1, lambda: kept.made == 3 and kept.keeper.holds_seconds == LIFE)


def test_a_renewal_that_is_refused_to_the_end_ends_the_connection(kept: Kept) -> None:
    kept.key = "d3Jvbmc="
    kept.at(JUST_AFTER, lambda: kept.made == 2 and not kept.keeper.asking)
    with pytest.raises(HubError, match=r"the hub refuses the token .*InvalidSignature") as refused:
        kept.at(LIFE + 1, lambda: False)
    assert is_refusal(refused.value)
    assert "hub.iot_hub_connection_string" in words(refused.value)


def test_a_token_that_is_refused_for_its_time_makes_the_clock_suspect_and_not_the_key(kept: Kept) -> None:
    kept.ahead = -7200
    kept.at(JUST_AFTER, lambda: kept.made == 2 and not kept.keeper.asking)
    with pytest.raises(HubError, match=r"ExpiredToken.*\): see that this machine's clock is right") as refused:
        kept.at(LIFE + 1, lambda: False)
    assert is_refusal(refused.value)
    assert WRONG_IOT_HUB_KEY not in str(refused.value)


def test_a_question_without_an_answer_is_asked_again(kept: Kept) -> None:
    kept.now = JUST_AFTER
    kept.keeper.tend()
    assert (kept.made, kept.keeper.asking) == (2, True)
    kept.now += ANSWER_SECONDS + 1
    kept.keeper.tend()
    assert kept.made == 3
    kept.work(kept.idle)
    assert kept.keeper.holds_seconds == LIFE


def test_the_first_token_without_an_answer_ends_the_connection(hub: Emulator) -> None:
    kept = Kept(hub)
    kept.keeper.tend()
    kept.now = ANSWER_SECONDS + 1
    with pytest.raises(HubError, match=r"no answer on \$cbs within 20 s"):
        kept.keeper.tend()
    kept.client.close()


class OfIdentity:
    """A keeper of an identity's token, which somebody else renews."""

    def __init__(self, hub: Emulator) -> None:
        self.now = 0.0
        self.made: list[str] = []
        self.held: Token | NoToken = NoToken("the first one is waited for", pending=True)
        self.client: Client = connected(hub, IOT_HUB)
        self.keeper = TokenKeeper(self.client, Claim(SERVICE.scope, self._make, FIX), clock=lambda: self.now)

    def _make(self) -> Token:
        if isinstance(self.held, NoToken):
            raise self.held
        self.made.append(self.held.text)
        return self.held

    def hold(self, seconds: float) -> None:
        self.held = Token(f"Bearer {jwt('https://iothubs.azure.net', 600)}", seconds, kind=BEARER)

    def tend(self, seconds: float = 0.0) -> None:
        """Time passes, and what the hub answers comes in."""
        self.now += seconds
        self.keeper.tend()
        if self.keeper.asking:
            self.client.until(lambda: not self.keeper.asking, Deadline(PATIENCE), "answered")
            self.keeper.tend()


@pytest.fixture
def identity(hub: Emulator) -> Iterator[OfIdentity]:
    made = OfIdentity(hub)
    yield made
    made.client.close()


def test_the_first_token_of_an_identity_is_waited_for(identity: OfIdentity) -> None:
    for _ in range(3):
        identity.tend(PENDING_SECONDS)
    assert not identity.keeper.granted
    identity.hold(100)
    identity.tend(PENDING_SECONDS)
    assert (identity.keeper.granted, identity.keeper.holds_seconds) == (True, 100)


def test_one_that_is_not_renewed_is_not_told_again_and_a_new_one_is(identity: OfIdentity, hub: Emulator) -> None:
    identity.hold(100)
    identity.tend()
    identity.tend(100 * RENEW_SHARE)
    for _ in range(5):
        identity.tend(LACKING_SECONDS)
    assert len(identity.made) == 7
    assert identity.keeper.holds_seconds == 100 - 75 - 5
    identity.hold(100)
    identity.tend(LACKING_SECONDS)
    assert identity.keeper.holds_seconds == 100


def test_without_a_new_one_the_last_holds_to_its_end_and_no_longer(identity: OfIdentity) -> None:
    identity.hold(100)
    identity.tend()
    identity.held = NoToken("it ran out: the endpoint answers 500")
    for _ in range(24):
        identity.tend(LACKING_SECONDS)
    identity.tend(100 - identity.now - 0.1)
    with pytest.raises(NoToken, match="the endpoint answers 500"):
        identity.tend(0.2)
    identity.hold(100)
    with pytest.raises(NoToken):
        identity.tend()


def test_an_identity_without_the_right_is_told_what_it_lacks(identity: OfIdentity) -> None:
    identity.held = Token(f"Bearer {jwt('https://storage.azure.com', 600)}", 100, kind=BEARER)
    with pytest.raises(HubError, match=FIX) as refused:
        identity.tend()
    assert is_refusal(refused.value)
