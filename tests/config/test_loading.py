import pickle
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from ingest.config import At, Command, Config, Earliest, Latest, Offsets, load
from ingest.errors import EXIT_CONFIG, ConfigError, Problem
from tests.config.samples import BLOB, COMPLETE, EVENT_HUB, IOT_HUB

Load = Callable[..., Config]


@pytest.fixture
def load_text(tmp_path: Path) -> Load:
    """Loads a configuration file with the given text."""

    def load_it(
        text: str,
        environ: Mapping[str, str] | None = None,
        overrides: Sequence[str] = (),
        command: Command = "print-config",
    ) -> Config:
        path = tmp_path / "ingest.toml"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return load(path, environ=environ or {}, overrides=overrides, for_command=command)

    return load_it


def problems_of(load_it: Callable[[], Config]) -> dict[str, Problem]:
    with pytest.raises(ConfigError) as raised:
        load_it()
    assert raised.value.exit_code == EXIT_CONFIG
    problems = {problem.key: problem for problem in raised.value.problems}
    assert len(problems) == len(raised.value.problems)
    return problems


def test_without_anything_the_defaults_hold() -> None:
    assert load(None, environ={}, for_command="print-config") == Config()


def test_a_complete_file(load_text: Load, tmp_path: Path) -> None:
    config = load_text(COMPLETE, command="run")
    assert config.path == tmp_path / "ingest.toml"
    assert config.hub.event_hub is not None
    assert config.hub.event_hub.event_hub == "iothub-ehub-a-1"
    assert config.checkpoints.blob_connection_string.reveal() == BLOB


def test_a_configuration_survives_a_pipe_and_shows_no_secret(load_text: Load) -> None:
    config = load_text(COMPLETE + '[kafka.librdkafka]\n"sasl.password" = "hunter22"\n', command="run")
    assert pickle.loads(pickle.dumps(config)) == config
    assert "s3cr3t" not in repr(config)
    assert "hunter22" not in repr(config)


@pytest.mark.parametrize(
    ("line", "value", "fix"),
    [
        ('source.topc = "x"', "", "did you mean source.topic?"),
        ('sorce.topic = "x"', "", "did you mean [source]?"),
        ("[sorce]", "", "did you mean [source]?"),
        ('source.partitions_file = "x"', "", "only a secret can be in a file of its own"),
        ('kafka.dead_letter_topic = "x"', "", "did you mean source.dead_letter_topic or sink.dead_letter_topic?"),
        ('bootstrap_servers = "x"', "", "did you mean the key kafka.bootstrap_servers?"),
        ("kafka.zzzz = 1", "", "[kafka] has bootstrap_servers, kind, connection_string"),
        ("zzzz = 1", "", "the sections are hub, identity, proxy, source"),
        ("source = 1", "", "is a section: write [source]"),
        ("source.topic = 1", "1", 'expects text in quotation marks, such as "iotin"'),
        ('source.topic = ""', '""', "expects text"),
        ('source.topic = "a b"', '"a b"', "not a legal Kafka topic name because of ' '"),
        ("source.topic = {}", "{  }", "expects text"),
        ("source.partitions = [0]", "[0]", 'expects a list of texts, such as ["0"]'),
        ('source.partitions = ["0", "0"]', '["0", "0"]', "item 2 is there twice"),
        ('source.partitions = ["x"]', '["x"]', "item 1: a partition is a number"),
        ('source.start = "2024-13-01T00:00:00Z"', '"2024-13-01T00:00:00Z"', "there is no such time"),
        ("source.start = 2024-05-01T00:00:00", "2024-05-01T00:00:00", "without a zone"),
        ("source.start = 0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+14:00", "no such time in UTC"),
        ('source.start = "9999-12-31T23:59:59-14:00"', '"9999-12-31T23:59:59-14:00"', "no such time in UTC"),
        ('source.start = {x = "1"}', '{ "x" = "1" }', "a partition is a number"),
        ('source.format = "xml"', '"xml"', 'write one of "json", "raw"'),
        ('source.transport = "quick"', '"quick"', 'write one of "fast", "sdk"'),
        ("source.stall_seconds = nan", "nan", "expects a number from 5 to 3600"),
        ('source.dead_letter_topic = "iotin"', '"iotin"', "the same topic as in source.topic"),
        ('source.consumer_group = "a b"', '"a b"', "not a consumer group"),
        ('hub.ca_file = "nope.pem"', '"nope.pem"', "there is no such file"),
        ('hub.ca_file = "."', '"."', "not a file"),
        (f'hub.ca_file = "{"a" * 400}"', f'"{"a" * 99}…', "it cannot be read (File name too long)"),
        ("hub.ca_file = 1", "1", "expects a path"),
        ('hub.event_hub_connection_string = "Endpoint=sb://a/"', "***", "SharedAccessKeyName is missing"),
        ("hub.iot_hub_connection_string = 5", "***", "expects text"),
        ('hub.iot_hub_connection_string_file = "nope"', '"nope"', "cannot be read (No such file or directory)"),
        ("hub.iot_hub_connection_string_file = 5", "5", "expects a path"),
        ('checkpoints.store = "s3"', '"s3"', 'write one of "blob", "file"'),
        ('checkpoints.container = "A"', '"A"', "not a legal container name"),
        ("checkpoints.interval_seconds = 0", "0", "expects a number from 0.1 to 3600"),
        ('checkpoints.interval_seconds = "5"', '"5"', "without quotation marks"),
        ('checkpoints.path = ""', '""', "expects a path"),
        ('kafka.bootstrap_servers = "kafka"', '"kafka"', "write host:port"),
        ("kafka.producers = true", "true", "expects a whole number from 1 to 16"),
        ("kafka.producers = 1.0", "1.0", "expects a whole number"),
        ("kafka.librdkafka = 1", "1", "expects a table"),
        ('sink.tier = "B1"', '"B1"', "no cloud-to-device messages"),
        ('sink.ack = "positiveOnly"', '"positiveOnly"', 'write one of "none", "positive", "negative", "full"'),
        ('sink.format = "avro"', '"avro"', 'write one of "auto", "json", "connect-json-schema", "connect-avro"'),
        ('sink.lenient_expiry = "true"', '"true"', "write true or false, without quotation marks"),
        ("sink.lenient_expiry = 1", "1", "write true or false"),
        ("sink.topics = []", "[]", "expects at least one"),
        ('sink.group_id = "a\\u0000b"', '"a\\u0000b"', "control character inside"),
        ('sink.dead_letter_topic = "iotout"', '"iotout"', "dead letters would be read as commands"),
        ('sink.feedback_topic = "iotout"', '"iotout"', "feedback would be read as commands"),
        ("metrics.port = 65536", "65536", "expects a whole number from 0 to 65535"),
        (f"metrics.port = 0x{'f' * 5000}", f"0x{'f' * 98}…", "expects a whole number from 0 to 65535"),
        ('metrics.allowed_hosts = ["https://a.example"]', '["https://a.example"]', "item 1: not the name of a host"),
        ('metrics.allowed_hosts = ["*"]', '["*"]', "item 1: not the name of a host"),
        ('service.log_format = "xml"', '"xml"', 'write one of "text", "json"'),
        ('service.log_level = "loud"', '"loud"', "write one of"),
    ],
)
def test_each_problem_has_its_key_value_and_fix(load_text: Load, line: str, value: str, fix: str) -> None:
    [problem] = problems_of(lambda: load_text(line)).values()
    key = line.split(" = ")[0].strip("[]")
    assert problem.key == (key.split(".")[0] if "[" in fix and "[source]?" in fix else key)
    assert problem.value == value
    assert fix in problem.fix


def test_a_number_that_python_does_not_read_is_told_where_it_is_written(load_text: Load, tmp_path: Path) -> None:
    digits = "9" * 5000
    [problem] = problems_of(lambda: load_text(f"metrics.port = {digits}")).values()
    assert (problem.key, problem.value) == (str(tmp_path / "ingest.toml"), "")
    assert "a number of thousands of digits" in problem.fix
    [problem] = problems_of(lambda: load_text("", overrides=[f"metrics.port={digits}"])).values()
    assert problem.key == "metrics.port"


def test_what_is_required_is_told_on_one_line(load_text: Load) -> None:
    for problem in problems_of(lambda: load_text("", command="run")).values():
        assert "\n" not in str(problem)


def test_every_problem_is_reported_at_once(load_text: Load) -> None:
    text = (
        'source.topic = "a b"\nsource.topc = "x"\nkafka.producers = 0\nmetrics.port = "x"\nkafka.librdkafka.acks = 1\n'
    )
    found = problems_of(
        lambda: load_text(
            text, {"INGEST__SINK__TIER": "F2", "INGEST__FOO": "1"}, ["source.format=xml", "nonsense"], "run"
        )
    )
    assert set(found) == {
        "--set",
        "source.topc",
        "foo",
        "source.topic",
        "source.format",
        "sink.tier",
        "kafka.producers",
        "metrics.port",
        "kafka.librdkafka.acks",
        "hub.event_hub_connection_string",
        "checkpoints.blob_connection_string",
    }
    assert "(set by INGEST__SINK__TIER)" in found["sink.tier"].fix
    assert "(set by --set)" in found["source.format"].fix


def test_a_file_that_is_not_toml_is_one_problem_with_its_place(load_text: Load, tmp_path: Path) -> None:
    [problem] = problems_of(lambda: load_text('[source]\ntopic = "x\n', command="run")).values()
    assert problem.key == str(tmp_path / "ingest.toml")
    assert "line 2, column" in problem.fix


def test_a_file_that_cannot_be_read_is_one_problem(tmp_path: Path) -> None:
    missing = tmp_path / "none.toml"
    [problem] = problems_of(lambda: load(missing, environ={})).values()
    assert (problem.key, "No such file" in problem.fix) == (str(missing), True)
    [problem] = problems_of(lambda: load(tmp_path, environ={})).values()
    assert "Is a directory" in problem.fix
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    [problem] = problems_of(lambda: load(binary, environ={})).values()
    assert "not UTF-8" in problem.fix


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    path = tmp_path / "ingest.toml"
    path.write_bytes(b"\xef\xbb\xbf[source]\ntopic = 'x'\n")
    assert load(path, environ={}, for_command="print-config").source.topic == "x"


def test_the_environment_overrides_the_file_and_flags_override_both(load_text: Load) -> None:
    text = "[metrics]\nport = 1\nhost = 'file'\n[source]\ntopic = 'file'\n[kafka]\nproducers = 3\n"
    environ = {"INGEST__METRICS__PORT": "2", "INGEST__SOURCE__TOPIC": "environment", "OTHER": "x"}
    config = load_text(text, environ, ["metrics.port=3"])
    assert (config.metrics.port, config.source.topic, config.metrics.host) == (3, "environment", "file")
    assert config.kafka.producers == 3


@pytest.mark.parametrize(
    ("variable", "text", "read", "expected"),
    [
        ("SOURCE__PARTITIONS", "0, 1", lambda config: config.source.partitions, ("0", "1")),
        ("SOURCE__PARTITIONS", "", lambda config: config.source.partitions, ()),
        ("SINK__TOPICS", "a,b", lambda config: config.sink.topics, ("a", "b")),
        ("SINK__ACK", "PositiveOnly", lambda config: config.sink.ack, "positive"),
        ("SINK__LENIENT_EXPIRY", "True", lambda config: config.sink.lenient_expiry, True),
        ("SINK__SENDS_PER_SECOND", "1.5", lambda config: config.sink.sends_per_second, 1.5),
        ("CHECKPOINTS__INTERVAL_SECONDS", "7", lambda config: config.checkpoints.interval_seconds, 7.0),
        ("SOURCE__START", "latest", lambda config: config.source.start, Latest()),
        ("SOURCE__START__0", "123", lambda config: config.source.start, Offsets({"0": "123"})),
        ("SOURCE__TOPIC", "123", lambda config: config.source.topic, "123"),
        (
            "KAFKA__LIBRDKAFKA__COMPRESSION_TYPE",
            "lz4",
            lambda config: dict(config.kafka.librdkafka),
            {"compression.type": "lz4"},
        ),
    ],
)
def test_environment_values_are_read_as_their_key_wants(
    variable: str, text: str, read: Callable[[Config], object], expected: object
) -> None:
    config = load(None, environ={f"INGEST__{variable}": text}, for_command="print-config")
    assert read(config) == expected


@pytest.mark.parametrize(
    ("override", "read", "expected"),
    [
        ("source.topic=bare", lambda config: config.source.topic, "bare"),
        ('source.topic="quoted"', lambda config: config.source.topic, "quoted"),
        ('source.partitions=["0", "1"]', lambda config: config.source.partitions, ("0", "1")),
        ("sink.ack=None", lambda config: config.sink.ack, "none"),
        ("sink.lenient_expiry=true", lambda config: config.sink.lenient_expiry, True),
        ("source.partitions=0,1", lambda config: config.source.partitions, ("0", "1")),
        ('source.start={0 = "7"}', lambda config: config.source.start, Offsets({"0": "7"})),
        ("source.start.0=7", lambda config: config.source.start, Offsets({"0": "7"})),
        ("kafka.librdkafka.linger.ms=5", lambda config: dict(config.kafka.librdkafka), {"linger.ms": "5"}),
        ("kafka.librdkafka.client.id=a=b", lambda config: dict(config.kafka.librdkafka), {"client.id": "a=b"}),
    ],
)
def test_flags_take_toml_or_a_bare_word(override: str, read: Callable[[Config], object], expected: object) -> None:
    assert read(load(None, environ={}, overrides=[override], for_command="print-config")) == expected


def test_a_line_break_in_a_flag_does_not_smuggle_in_a_second_key() -> None:
    found = problems_of(lambda: load(None, environ={}, overrides=["metrics.port=1\nx=2"], for_command="print-config"))
    assert set(found) == {"metrics.port"}


@pytest.mark.parametrize("override", ["", "source", "source.topic", "=x", "topic=x"])
def test_flags_that_are_no_assignment(override: str) -> None:
    found = problems_of(lambda: load(None, environ={}, overrides=[override]))
    assert "expects section.key=value" in found["--set"].fix


def test_start_positions_come_whole_from_one_place(load_text: Load) -> None:
    text = '[source.start]\n0 = "1"\n1 = "2"\n'
    assert load_text(text).source.start == Offsets({"0": "1", "1": "2"})
    assert load_text(text, {"INGEST__SOURCE__START": "earliest"}).source.start == Earliest()
    assert load_text(text, {"INGEST__SOURCE__START__5": "9"}).source.start == Offsets({"5": "9"})
    assert load_text('source.start = "latest"', {}, ["source.start.5=9"]).source.start == Offsets({"5": "9"})
    assert isinstance(load_text("source.start = 2024-05-01T00:00:00Z").source.start, At)


def test_a_start_offset_for_a_partition_that_is_not_read(load_text: Load) -> None:
    found = problems_of(lambda: load_text('[source]\npartitions = ["0"]\n[source.start]\n3 = "1"\n'))
    assert set(found) == {"source.start.3"}


def test_librdkafka_settings_merge_one_by_one_and_may_be_unquoted(load_text: Load) -> None:
    text = '[kafka.librdkafka]\n"linger.ms" = 5\ncompression.type = "lz4"\nlog.connection.close = false\n'
    config = load_text(text, {"INGEST__KAFKA__LIBRDKAFKA__LINGER_MS": "9"})
    assert dict(config.kafka.librdkafka) == {
        "linger.ms": "9",
        "compression.type": "lz4",
        "log.connection.close": "false",
    }


def test_relative_paths_of_the_file_start_at_its_folder(
    load_text: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert load_text('checkpoints.path = "positions"').checkpoints.path == tmp_path / "positions"
    assert load_text("", {}, ["checkpoints.path=positions"]).checkpoints.path == elsewhere / "positions"


@pytest.mark.parametrize(
    ("command", "required"),
    [
        ("run", {"hub.event_hub_connection_string", "checkpoints.blob_connection_string"}),
        ("source", {"hub.event_hub_connection_string", "checkpoints.blob_connection_string"}),
        ("checkpoints", {"hub.event_hub_connection_string", "checkpoints.blob_connection_string"}),
        ("sink", {"hub.iot_hub_connection_string"}),
    ],
)
def test_what_each_command_requires(command: Command, required: set[str]) -> None:
    assert set(problems_of(lambda: load(None, environ={}, for_command=command))) == required


@pytest.mark.parametrize(("command", "either"), [("run", True), ("check-config", True), ("source", False)])
def test_without_any_hub_both_directions_are_named(command: Command, either: bool) -> None:
    fix = problems_of(lambda: load(None, environ={}, for_command=command))["hub.event_hub_connection_string"].fix
    assert ("hub.iot_hub_connection_string for commands alone" in fix) == either


@pytest.mark.parametrize("command", ["topics", "print-config"])
def test_commands_that_require_nothing(command: Command) -> None:
    load(None, environ={}, for_command=command)


def test_file_checkpoints_need_no_blob_storage(load_text: Load) -> None:
    text = f'checkpoints.store = "file"\nhub.event_hub_connection_string = "{EVENT_HUB}"\n'
    assert load_text(text, command="run").checkpoints.store == "file"


def test_a_wrong_required_key_is_one_problem_only(load_text: Load) -> None:
    text = f'checkpoints.store = "file"\nhub.event_hub_connection_string = "{IOT_HUB}"\n'
    assert set(problems_of(lambda: load_text(text, command="run"))) == {"hub.event_hub_connection_string"}
