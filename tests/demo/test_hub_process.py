"""Which hub a plan gets, and the whole process as the demo talks with it."""

from pathlib import Path

import pytest

from ingest.demo.hub import HubProcess
from ingest.demo.hub_process import start_hub
from ingest.demo.plan import Plan
from ingest.emulator.c2d import address
from ingest.errors import IngestError
from ingest.timing import Deadline


def plan(commands: int | None) -> Plan:
    return Plan(seconds=0, events=6, rate=0, partitions=2, devices=3, commands=commands)


def test_without_the_port_for_commands_there_is_a_hub_for_telemetry_and_a_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def bind(*_: object, **__: object) -> object:
        raise IngestError("Port 5671 cannot be listened on: taken.")

    monkeypatch.setattr(address, "bind", bind)
    emulator, why = start_hub(plan(None))
    try:
        assert why == "Port 5671 cannot be listened on: taken."
        assert emulator.endpoints.partitions == 2
    finally:
        emulator.close()


def test_a_plan_without_commands_wants_no_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "bind", None)
    emulator, why = start_hub(plan(0))
    emulator.close()
    assert why == ""


def test_the_process_tells_where_to_send_commands_and_what_came(tmp_path: Path) -> None:
    hub = HubProcess(plan(None), tmp_path)
    hub.start()
    try:
        assert hub.commands is not None
        assert hub.commands.device_ids == ["device-0001", "device-0002", "device-0003"]
        assert hub.commands.connection_string.startswith("HostName=")
        assert Path(hub.commands.ca_file).exists()
        hub.allow(6)
        deadline = Deadline(20)
        while hub.per_device is None and not deadline.expired:
            hub.tell()
        assert hub.per_device == dict.fromkeys(hub.commands.device_ids, 2)
        assert (hub.sent, hub.received()) == (6, [])
    finally:
        hub.close()
        hub.join(Deadline(20))


def test_a_process_without_commands_names_nobody(tmp_path: Path) -> None:
    hub = HubProcess(plan(0), tmp_path)
    hub.start()
    hub.close()
    hub.join(Deadline(20))
    assert (hub.commands, hub.why_no_commands) == (None, "")
