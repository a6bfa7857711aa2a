"""A look at the way to a hub, without a word of AMQP: what each hop agreed on, or which one failed."""

import ssl
from collections.abc import Callable

from ingest.hub.network.contract import CONNECT_SECONDS
from ingest.hub.network.dialing import reach, secure
from ingest.hub.network.route import Route
from ingest.hub.network.websocket import upgrade
from ingest.timing import Deadline


def look(
    route: Route, context: Callable[[], ssl.SSLContext], seconds: float = CONNECT_SECONDS, *, last: str = ""
) -> str:
    """Goes the whole way as `dial` does, or up to TLS with `last="tls"`, and hangs up.

    Returns what was agreed on with the last hop, in words. Raises NetworkFault.
    """
    deadline = Deadline(seconds)
    connected = reach(route, deadline)
    try:
        agreed, secured = "connected", None
        if route.tls:
            secured = secure(connected, route, context, deadline)
            certificate = secured.session.getpeercert() or {}
            agreed = (
                f"{secured.session.version()}, certificate good until {certificate.get('notAfter', 'an unknown time')}"
            )
        if route.network == "websocket" and last != "tls":
            upgrade(secured or connected, route.host, route.port, deadline)
            agreed = f"{route.host}:{route.port} takes AMQP inside WebSocket"
        return agreed
    finally:
        connected.close()
