"""The link over which azure-eventhub tells the hub its tokens, `$cbs`.

When the hub ends that link alone, the client waits for it to open, for ever: its own check stands behind a return
(`_pyamqp/cbs.py`, `_cbs_link_ready`). No token is renewed then, and the public receive loop reads nothing any more.
"""

from typing import Any

from azure.eventhub._pyamqp.constants import CbsAuthState, CbsState

from ingest.hub.auth.contract import EVENT_HUBS
from ingest.hub.auth.held import HELD
from ingest.hub.link_errors import LinkEnded


def ensure_token_link(client: Any) -> None:
    """`client`: an opened AMQP client of azure-eventhub. Has it tell the hub a new token of an identity as soon as there is
    one. Raises LinkEnded when the hub has ended its link for tokens, and that alone: with the connection all links end, and
    the client has the words for it."""
    authenticator = client._cbs_authenticator
    if (
        client._connection._error is None
        and authenticator is not None
        and authenticator.state in (CbsState.CLOSED, CbsState.ERROR)
    ):
        raise LinkEnded("lost", "detached", "the hub ended the link for tokens, $cbs")
    if authenticator is not None and authenticator.auth_state is CbsAuthState.OK and _is_of_identity(authenticator):
        # The client looks at its own token alone, which may be half used up when it comes and short-lived.
        newest = HELD.newest(EVENT_HUBS)
        if newest is not None and newest.text != authenticator._token:
            authenticator.auth_state = CbsAuthState.REFRESH_REQUIRED


def _is_of_identity(authenticator: Any) -> bool:
    return authenticator._auth.token_type in (b"jwt", "jwt")
