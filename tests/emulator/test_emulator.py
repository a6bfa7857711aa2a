"""The façade: life cycle, endpoints, statistics."""

import ssl
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ingest.emulator import Emulator
from ingest.errors import IngestError
from tests.emulator.raw_client import RawClient
from tests.emulator.test_receivers import attach


def test_endpoints(emulator: Emulator) -> None:
    endpoints = emulator.endpoints
    key = emulator.keys.service
    plain = urlsplit(endpoints.amqp)
    secure = urlsplit(endpoints.amqps)
    assert endpoints.event_hub_connection_string == (
        f"Endpoint=sb://127.0.0.1:{plain.port};SharedAccessKeyName=service;SharedAccessKey={key};"
        "EntityPath=iothub-ehub-emulator;UseDevelopmentEmulator=true"
    )
    assert endpoints.event_hub_connection_string_tls == (
        f"Endpoint=sb://localhost:{secure.port}/;SharedAccessKeyName=service;SharedAccessKey={key};"
        "EntityPath=iothub-ehub-emulator"
    )
    assert endpoints.partitions == 2
    assert ssl.create_default_context(cafile=endpoints.ca_file).get_ca_certs()


def test_before_the_start_there_are_no_endpoints() -> None:
    emulator = Emulator(partitions=1)
    with pytest.raises(IngestError, match="before it is started"):
        _ = emulator.endpoints
    emulator.close()


def test_close_leaves_no_thread_and_no_file() -> None:
    before = set(threading.enumerate())
    with Emulator(partitions=1) as emulator:
        folder = Path(emulator.endpoints.ca_file).parent
        assert folder.exists()
        assert len(set(threading.enumerate()) - before) == 1
    assert not folder.exists()
    assert set(threading.enumerate()) <= before
    emulator.close()


def test_a_host_that_is_not_ours_is_an_error_and_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    with pytest.raises(OSError, match=r"192\.0\.2\.1"):
        Emulator(partitions=1, host="192.0.2.1").start()
    assert set(threading.enumerate()) <= before


def test_two_emulators_share_nothing() -> None:
    with Emulator(partitions=1) as one, Emulator(partitions=1) as other:
        assert one.endpoints.amqp != other.endpoints.amqp
        assert one.keys.service != other.keys.service
        one.send("d", b"x")
        assert other.stats().partitions["0"].last_sequence_number == -1


def test_stats(emulator: Emulator) -> None:
    emulator.append("0", b"\x00\x53\x77\x40")
    with RawClient(emulator.endpoints.amqp) as client:
        client.open()
        client.authorize(emulator.keys.service, emulator.hub.name)
        attach(client, emulator, properties={"com.microsoft:epoch": 7})
        client.flow(0, 5)
        stats = emulator.wait_for(lambda stats: stats.delivered == 1, 10)
    found = stats.partitions["0"]
    assert (found.begin_sequence_number, found.last_sequence_number) == (0, 0)
    assert (found.attaches, found.refused, found.delivered) == (1, 0, 1)
    (receiver,) = found.receivers
    assert (receiver.consumer_group, receiver.epoch, receiver.credit) == ("$default", 7, 4)
    assert (stats.connections, stats.attaches, stats.receivers) == (1, 1, 1)
    emulator.wait_for(lambda stats: stats.connections == 0 and stats.receivers == 0, 10)


def test_waiting_ends_at_the_deadline(emulator: Emulator) -> None:
    with pytest.raises(TimeoutError, match=r"After 0\.01 s the emulator is at Stats"):
        emulator.wait_for(lambda stats: stats.connections == 1, 0.01)
