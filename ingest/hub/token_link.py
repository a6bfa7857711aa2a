"""The link over which azure-eventhub tells the hub its tokens, `$cbs`.

When the hub ends that link alone, the client waits for it to open, for ever: its own check stands behind a return
(`_pyamqp/cbs.py`, `_cbs_link_ready`). No token is renewed then, and the public receive loop reads nothing any more.
"""

from typing import Any

from azure.eventhub._pyamqp.constants import CbsState

from ingest.hub.link_errors import LinkEnded


def ensure_token_link(client: Any) -> None:
    """`client`: an opened AMQP client of azure-eventhub. Raises LinkEnded when the hub has ended its link for tokens, and
    that alone: with the connection all links end, and the client has the words for it."""
    authenticator = client._cbs_authenticator
    if (
        client._connection._error is None
        and authenticator is not None
        and authenticator.state in (CbsState.CLOSED, CbsState.ERROR)
    ):
        raise LinkEnded("lost", "detached", "the hub ended the link for tokens, $cbs")
