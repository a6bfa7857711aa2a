"""tests.services.faulty_http: forwards the blob client's signed requests, and fails as told."""

import http.client
import socket
import threading
import uuid
from collections.abc import Iterator

import pytest
from azure.core.exceptions import (
    ResourceModifiedError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.eventhub.extensions.checkpointstoreblob._vendor.storage.blob import ContainerClient

from tests.services.azurite import Azurite
from tests.services.faulty_http import FaultyProxy

pytestmark = pytest.mark.services


@pytest.fixture
def proxy(blob: Azurite) -> Iterator[FaultyProxy]:
    with FaultyProxy(blob.address) as proxy:
        yield proxy


@pytest.fixture
def container(blob: Azurite, proxy: FaultyProxy) -> Iterator[ContainerClient]:
    with ContainerClient.from_connection_string(
        blob.connection_string_through(proxy.address), f"proxy-{uuid.uuid4().hex}", retry_total=0, read_timeout=20
    ) as client:
        client.create_container()
        yield client


def test_signed_requests_pass_with_body_metadata_and_conditions(container: ContainerClient) -> None:
    container.upload_blob("a/b c", b"\x00body\xff" * 1000, metadata={"offset": "17"})
    blob = container.get_blob_client("a/b c")
    assert blob.download_blob().readall() == b"\x00body\xff" * 1000
    properties = blob.get_blob_properties()
    assert (properties.metadata, properties.size) == ({"offset": "17"}, 6000)
    assert [item.name for item in container.list_blobs()] == ["a/b c"]
    with pytest.raises(ResourceNotFoundError):
        container.get_blob_client("none").get_blob_properties()


def test_failures_on_request_hit_only_the_methods_named(container: ContainerClient, proxy: FaultyProxy) -> None:
    container.upload_blob("one", b"1")
    proxy.fail(412, "ConditionNotMet", methods={"PUT"})
    with pytest.raises(ResourceModifiedError):
        container.upload_blob("one", b"2", overwrite=True)
    assert container.download_blob("one").readall() == b"1"
    proxy.heal()
    container.upload_blob("one", b"2", overwrite=True)
    assert container.download_blob("one").readall() == b"2"
    assert proxy.refused == 1


def test_a_hanging_request_is_held_until_the_proxy_heals(container: ContainerClient, proxy: FaultyProxy) -> None:
    proxy.hang()
    outcome: list[BaseException] = []

    def ask() -> None:
        try:
            container.get_container_properties()
        except ServiceResponseError as error:
            outcome.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    assert proxy.wait_refused(1, seconds=10)
    assert thread.is_alive()
    proxy.heal()
    thread.join(10)
    assert len(outcome) == 1
    assert container.get_container_properties().name == container.container_name


def test_refused_connections_come_back_on_the_same_port(container: ContainerClient, proxy: FaultyProxy) -> None:
    host, _, port = proxy.address.partition(":")
    kept = http.client.HTTPConnection(host, int(port))
    kept.request("GET", "/")
    kept.getresponse().read()
    proxy.refuse()
    assert kept.sock.recv(1) == b"", "a connection that was open is cut"
    kept.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)))
    with pytest.raises(ServiceRequestError):
        container.get_container_properties()
    proxy.heal()
    assert container.get_container_properties().name == container.container_name


def test_an_unreachable_upstream_is_a_bad_gateway(proxy: FaultyProxy, blob: Azurite) -> None:
    with FaultyProxy("127.0.0.1:1") as lost:
        host, _, port = lost.address.partition(":")
        client = http.client.HTTPConnection(host, int(port))
        client.request("GET", "/")
        assert client.getresponse().status == 502
        client.close()
