"""`ingest emulator` as a hub for commands, and the orders of its control endpoint."""

from urllib.parse import urlsplit

import pytest

from ingest.emulator.c2d import address
from tests.cli.test_emulator import parsed, ready, running, stopped
from tests.emulator.http_client import DEADLINE_SECONDS, Answer, request


@pytest.mark.uamqp
def test_a_stock_service_sends_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from azure.iot.hub import IoTHubRegistryManager

    with running("--json", "--tier", "S1", "--units", "2") as process:
        line = ready(process)

        def order(path: str, arguments: bytes = b"{}", method: str = "POST") -> Answer:
            return request(urlsplit(line["control"]).port or 0, method, path, arguments)

        assert order("/c2d/auto_complete", b'{"device_ids": ["d"]}').json == {"answer": None}
        assert order("/faults/reject_send", b'{"after": 1, "condition": "amqp:not-found"}').status == 200
        monkeypatch.setenv("SSL_CERT_FILE", line["ca_file"])
        manager = IoTHubRegistryManager.from_connection_string(line["iot_hub_connection_string"])
        manager.send_c2d_message("d", "Turn On", {"messageId": "m1"})
        with pytest.raises(Exception, match="C2D message send failure"):
            manager.send_c2d_message("d", "Turn Off")
        manager.amqp_svc_client.disconnect_sync()
        (consumed,) = order("/c2d/consumed").json["answer"]
        assert (consumed["device_id"], consumed["message_id"], consumed["body"]) == ("d", "m1", "Turn On")
        assert order("/c2d/completed_by_device").json == {"answer": {"d": 1}}
        stats = order("/stats", method="GET").json["c2d"]
        assert (stats["accepted"], stats["ended"], stats["rejected"]) == (1, {"Success": 1}, {"amqp:not-found": 1})
        assert order("/c2d/set_limit", b'{"sends_per_second": 0}').status == 400
        assert "sends_per_second" in order("/", method="GET").json["POST /c2d/set_limit"]["arguments"]
        assert stopped(process)[0] == 0


def test_an_address_that_is_taken() -> None:
    with address.bind(None) as taken:
        host = taken.getsockname()[0]
        with running("--json", "--c2d-host", host) as process:
            out, err = process.communicate(timeout=DEADLINE_SECONDS)
    assert (process.returncode, out) == (2, "")
    assert f"--c2d-host: Port 5671 of {host} cannot be listened on" in err
    assert "Traceback" not in err


def test_units_that_are_not_on_sale() -> None:
    with running("--tier", "S3", "--units", "11") as process:
        out, err = process.communicate(timeout=DEADLINE_SECONDS)
    assert (process.returncode, out) == (2, "")
    assert "11 units of S3 are not on sale; take 1 to 10" in err


def test_a_tier_without_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed("--tier", "B1")
    assert "invalid choice: 'B1'" in capsys.readouterr().err
