"""Hub, source and Apache Kafka, each in a process of its own, over TLS."""

from pathlib import Path

import pytest

from tests.end_to_end.emulator_process import emulator_process
from tests.faults.conftest import basic_config
from tests.faults.source_process import SourceProcess, write_config
from tests.faults.telemetry import Topic
from tests.services.kafka import KafkaCluster

pytestmark = [pytest.mark.services, pytest.mark.faults]


def test_over_tls_with_the_raw_format_of_records(kafka: KafkaCluster, tmp_path: Path) -> None:
    with (
        emulator_process("--partitions", "2", "--devices", "4", "--events", "400") as hub,
        Topic(kafka.bootstrap) as topic,
        SourceProcess(tmp_path) as source,
    ):
        address = hub.told["event_hub_connection_string_tls"]
        basic = basic_config(tmp_path, address, kafka.bootstrap, topic.name)
        write_config(source.config, basic, {"hub": {"ca_file": hub.told["ca_file"]}, "source": {"format": "raw"}})
        source.start()
        records = topic.read_raw(400)
        assert {key.decode() for record in records if isinstance(key := record.key(), bytes)} == set(hub.sent())
        assert all(dict(record.headers() or [])["deviceId"] == record.key() for record in records)
        assert source.close() == 0
