"""Tokens as the stock client makes them."""

import pytest
from azure.eventhub._pyamqp.utils import generate_sas_token

from ingest.config.connection_strings import event_hub
from ingest.hub.auth.key import event_hub_token


@pytest.mark.parametrize("policy", ["service", "of-this_node.2"])
@pytest.mark.parametrize("resource", ["sb://hub.example:5671/telemetry", "sb://h/e/consumergroups/$Default"])
def test_a_token_for_an_event_hub_is_the_stock_client_s(policy: str, resource: str) -> None:
    hub = event_hub(
        f"Endpoint=sb://h/;SharedAccessKeyName={policy};SharedAccessKey=c2VjcmV0+/A=;EntityPath=e",
    )
    stock = generate_sas_token(resource, policy, "c2VjcmV0+/A=", 1_900_000_000)  # type: ignore[no-untyped-call]
    assert event_hub_token(hub, resource, 1_900_000_000) == stock
