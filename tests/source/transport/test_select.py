"""Which transport is opened, and what happens when the fast one does not fit the installed client."""

import logging
import sys
from typing import Any

import pytest
from azure.eventhub import EventHubConsumerClient
from azure.eventhub._pyamqp import _decode
from azure.eventhub._pyamqp import client as client_module
from azure.eventhub._pyamqp._connection import Connection
from azure.eventhub._pyamqp._transport import SSLTransport
from azure.eventhub._pyamqp.link import Link
from azure.eventhub._pyamqp.session import Session

from ingest.config import Config, Source
from ingest.source.transport import fast_compatibility
from ingest.source.transport.select import open_transport


@pytest.fixture
def fast_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fast transport is imported anew by whoever asks for it."""
    monkeypatch.delitem(sys.modules, "ingest.source.transport.fast", raising=False)


def opened(transport: str) -> str:
    return open_transport(Config(source=Source(transport=transport)), "7").name


@pytest.mark.parametrize("transport", ["sdk", "fast"])
def test_the_configured_transport_is_opened(transport: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert opened(transport) == transport
    assert not caplog.records


@pytest.mark.usefixtures("fast_again")
def test_another_version_of_the_client(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(fast_compatibility, "version", lambda _: "5.16.0")
    with caplog.at_level(logging.WARNING):
        assert opened("fast") == "sdk"
    (warning,) = caplog.messages
    assert warning.startswith("Partition 7: ")
    assert 'source.transport = "sdk" is used' in warning
    assert "azure-eventhub 5.15.x is needed, 5.16.0 is installed" in warning


MISSING: tuple[tuple[Any, str], ...] = (
    (EventHubConsumerClient, "_create_consumer"),
    (client_module.ReceiveClient, "client_ready"),
    (client_module.ReceiveClient, "auth_complete"),
    (_decode, "decode_frame"),
    (_decode, "decode_empty_frame"),
    (SSLTransport, "receive_frame"),
    (Connection, "_process_incoming_frame"),
    (Connection, "listen"),
    (Link, "flow"),
    (Link, "get_state"),
)


@pytest.mark.usefixtures("fast_again")
@pytest.mark.parametrize(("owner", "name"), MISSING, ids=[name for _, name in MISSING])
def test_a_client_that_lacks_a_part(
    owner: Any, name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    holder = next((each for each in getattr(owner, "__mro__", (owner,)) if name in vars(each)), owner)
    monkeypatch.delattr(holder, name)
    with caplog.at_level(logging.WARNING), pytest.raises(ImportError, match=f"has no {name}"):
        fast_compatibility.check()
    # The other transport relies on none of these at import.
    assert opened("fast") == "sdk"
    assert name in caplog.text


@pytest.mark.parametrize("name", ["next_incoming_id", "target_incoming_window"])
def test_a_session_that_keeps_its_books_elsewhere(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made: Any = Session.__init__

    def init(self: Any, *arguments: Any, **options: Any) -> None:
        made(self, *arguments, **options)
        delattr(self, name)

    monkeypatch.setattr(Session, "__init__", init)
    with pytest.raises(ImportError, match=f"has no {name}"):
        fast_compatibility.check()
