"""The token of one connection: told to the hub at first, and renewed before it runs out, beside all other work."""

import logging
import time

from ingest.amqp.message import Message
from ingest.hub.auth.contract import SAS, Claim, NoToken
from ingest.hub.client.client import Client
from ingest.hub.client.requests import CBS, Node, NodeRefused, put_token
from ingest.hub.conditions import of_status
from ingest.hub.service_errors import HubError, refused_token
from ingest.timing import Clock

RENEW_SHARE = 0.75
"""Of its life, after which a token is renewed."""
RETRY_SHARE = 0.05
"""Of a token's life, after which a renewal that failed is tried again."""
ANSWER_SECONDS = 20.0
"""A token for which the hub has no answer in so long is told again."""
PENDING_SECONDS = 0.1
"""How often the first token of an identity is asked for until it is there."""
LACKING_SECONDS = 1.0
"""How often a new token of an identity is asked for while there is none, or no other than the one that the hub has."""

logger = logging.getLogger(__name__)


class TokenKeeper:
    """`tend` again and again. A `$cbs` that the hub ends alone is attached again for the next token."""

    def __init__(self, client: Client, claim: Claim, *, clock: Clock = time.monotonic) -> None:
        """`claim.make` may give the same token again, or raise NoToken."""
        self.granted = False
        """Whether the hub has taken a token of this connection."""
        self._client = client
        self._claim = claim
        self._clock = clock
        self._node: Node | None = None
        self._question = 0
        """Which one is waited for; answers to earlier ones mean nothing."""
        self._asked_at: float | None = None
        self._due = clock()
        self._expires = 0.0
        """When the token that the hub has taken runs out."""
        self._told: str | None = None
        """The last token that the hub was told, unless it did not take it."""
        self._error: HubError | NoToken | None = None

    @property
    def asking(self) -> bool:
        """Whether the hub's answer to a token is waited for."""
        return self._asked_at is not None

    @property
    def ended(self) -> HubError | None:
        """Why the hub has ended its link for tokens, if it has: the next token goes over another one."""
        return self._node.error if self._node is not None else None

    @property
    def holds_seconds(self) -> float:
        """How long the token still holds that the hub has taken."""
        return max(0.0, self._expires - self._clock())

    def tend(self) -> None:
        """Tells the hub a token when that is due; it goes out with the client's next `work`.

        Raises HubError when the hub refuses the first token, or has taken no other one until the last has run out;
        NoToken when there was none to tell.
        """
        now = self._clock()
        if self._asked_at is not None and now - self._asked_at > ANSWER_SECONDS:
            self._failed(HubError("", f"no answer on {CBS} within {ANSWER_SECONDS:g} s"), 0.0)
        if self._error is not None and (not self.granted or now >= self._expires):
            raise self._error
        if not self.asking and now >= self._due:
            self._ask(now)

    def _ask(self, now: float) -> None:
        try:
            token = self._claim.make()
        except NoToken as error:
            self._due = now + (PENDING_SECONDS if error.pending else LACKING_SECONDS)
            self._error = None if error.pending else error
            return
        if token.kind != SAS and token.text == self._told:
            self._due = now + LACKING_SECONDS
            return
        if self._node is None or self._node.error is not None:
            self._node = Node(self._client, CBS)
        self._asked_at = now
        self._question += 1
        question = self._question

        def answered(answer: Message | HubError) -> None:
            if question != self._question or self._asked_at is None:
                return
            if isinstance(answer, HubError):
                self._failed(answer, token.seconds * RETRY_SHARE)
                return
            self._asked_at = self._error = None
            self._told = token.text
            self.granted = True
            self._due = now + token.seconds * RENEW_SHARE
            self._expires = now + token.seconds

        claim = put_token(self._claim.audience, token.text, kind=token.kind, expires=token.expires)
        self._node.ask(claim, answered)

    def _failed(self, error: HubError, retry_seconds: float) -> None:
        self._asked_at = self._told = None
        self._due = self._clock() + retry_seconds
        refused = isinstance(error, NodeRefused) and of_status(error.status) is not None
        self._error = refused_token(error, self._claim.fix) if refused else error
        if self.granted:
            logger.warning(
                "%s takes no new token: %s. The last one holds %.0f s.",
                self._client.host,
                str(error).rstrip("."),
                self.holds_seconds,
            )
