"""Requests to the hub's management node that tell why they failed.

When the hub refuses the management link (an unknown hub, say), azure-eventhub gives up at the attach and never reads the
detach behind it, which has the reason. A private seam, pinned and checked at import as in `ingest.source.sdk`.
"""

from typing import Any

from azure.eventhub._pyamqp import AMQPClient
from azure.eventhub._pyamqp.error import AMQPException, AMQPLinkError
from azure.eventhub._transport._pyamqp_transport import PyamqpTransport

from ingest.deadline import Deadline

_REASON_SECONDS = 2.0
"""The reason is in the frame after the refusal, as a rule in the same packet."""

if not hasattr(PyamqpTransport, "mgmt_client_request"):
    raise ImportError("this azure-eventhub has no mgmt_client_request; requests to the hub rely on it")


class OutspokenTransport(PyamqpTransport):
    """To be given to a client as `amqp_transport`."""

    @staticmethod
    def mgmt_client_request(mgmt_client: AMQPClient, *arguments: Any, **options: Any) -> Any:
        try:
            return PyamqpTransport.mgmt_client_request(mgmt_client, *arguments, **options)
        except AMQPException as wordless:
            raise _reason(mgmt_client) or wordless from None


def _reason(client: Any) -> AMQPLinkError | None:
    """What the hub said when it detached the management link; None when it says nothing."""
    deadline = Deadline(_REASON_SECONDS)
    while not deadline.expired:
        for operation in client._mgmt_links.values():
            for link in (operation._mgmt_link._request_link, operation._mgmt_link._response_link):
                if isinstance(link._error, AMQPLinkError):
                    return link._error
        try:
            client._connection.listen(wait=0.1)
        except (AMQPException, ValueError, OSError):
            return None
    return None
