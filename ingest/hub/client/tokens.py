"""The token of one connection: told to the hub at first, and renewed before it runs out, beside all other work."""

import logging
import time
from collections.abc import Callable
from typing import NamedTuple

from ingest.amqp.message import Message
from ingest.hub.client.client import Client
from ingest.hub.client.requests import CBS, Node, NodeRefused, put_token
from ingest.hub.conditions import of_status
from ingest.hub.service_errors import IOT_HUB_KEY, HubError, refused_token
from ingest.timing import Clock

RENEW_SHARE = 0.75
"""Of its life, after which a token is renewed."""
RETRY_SHARE = 0.05
"""Of a token's life, after which a renewal that failed is tried again."""
ANSWER_SECONDS = 20.0
"""A token for which the hub has no answer in so long is told again."""

logger = logging.getLogger(__name__)


class Token(NamedTuple):
    text: str
    seconds: float
    """How long it holds from now on."""
    expires: int | None = None
    """When it runs out, Unix seconds, where the hub is told that."""


class TokenKeeper:
    """`tend` again and again. A `$cbs` that the hub ends alone is attached again for the next token."""

    def __init__(
        self,
        client: Client,
        audience: str,
        make: Callable[[], Token],
        *,
        key: str = IOT_HUB_KEY,
        clock: Clock = time.monotonic,
    ) -> None:
        """`key`: of the configuration, where the policy is whose tokens `make` gives."""
        self.granted = False
        """Whether the hub has taken a token of this connection."""
        self._client = client
        self._audience = audience
        self._make = make
        self._key = key
        self._clock = clock
        self._node: Node | None = None
        self._question = 0
        """Which one is waited for; answers to earlier ones mean nothing."""
        self._asked_at: float | None = None
        self._due = clock()
        self._expires = 0.0
        """When the token that the hub has taken runs out."""
        self._error: HubError | None = None

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

        Raises HubError when the hub refuses the first token, or has taken no other one until the last has run out.
        """
        now = self._clock()
        if self._asked_at is not None and now - self._asked_at > ANSWER_SECONDS:
            self._failed(HubError("", f"no answer on {CBS} within {ANSWER_SECONDS:g} s"), 0.0)
        if self._error is not None and (not self.granted or now >= self._expires):
            raise self._error
        if not self.asking and now >= self._due:
            self._ask(now)

    def _ask(self, now: float) -> None:
        if self._node is None or self._node.error is not None:
            self._node = Node(self._client, CBS)
        token = self._make()
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
            self.granted = True
            self._due = now + token.seconds * RENEW_SHARE
            self._expires = now + token.seconds

        self._node.ask(put_token(self._audience, token.text, expires=token.expires), answered)

    def _failed(self, error: HubError, retry_seconds: float) -> None:
        self._asked_at = None
        self._due = self._clock() + retry_seconds
        refused = isinstance(error, NodeRefused) and of_status(error.status) is not None
        self._error = refused_token(error, self._key) if refused else error
        if self.granted:
            logger.warning(
                "%s takes no new token: %s. The last one holds %.0f s.",
                self._client.host,
                str(error).rstrip("."),
                self.holds_seconds,
            )
