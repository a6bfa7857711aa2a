import base64
import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.config import Config, Secret, effective_toml, load
from ingest.errors import ConfigError
from tests.config.samples import BLOB, EVENT_HUB, EVENT_HUB_KEY

KEY = "hub.event_hub_connection_string"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "ingest.toml"
    path.touch(0o600)
    return path


def loaded(path: Path, text: str, **environ: str) -> Config:
    path.write_text(text)
    return load(path, environ=environ, for_command="print-config")


def fixes(path: Path, text: str, **environ: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as raised:
        loaded(path, text, **environ)
    return {problem.key: problem.fix for problem in raised.value.problems}


def secret_file(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_a_secret_from_a_file_beside_the_configuration(file: Path) -> None:
    secret_file(file.parent / "hub", EVENT_HUB.encode() + b"\r\n")
    assert loaded(file, f'{KEY}_file = "hub"').hub.event_hub_connection_string == Secret(EVENT_HUB)


def test_a_bare_name_is_looked_up_among_systemds_credentials(file: Path, tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    secret_file(credentials / "hub", EVENT_HUB.encode())
    environ = {"CREDENTIALS_DIRECTORY": str(credentials)}
    assert loaded(file, f'{KEY}_file = "hub"', **environ).hub.event_hub_connection_string == Secret(EVENT_HUB)
    assert f"{KEY}_file" in fixes(file, f'{KEY}_file = "x/hub"', **environ)
    secret_file(file.parent / "hub", EVENT_HUB.replace("service;", "nearer;").encode())
    hub = loaded(file, f'{KEY}_file = "hub"', **environ).hub.event_hub
    assert hub is not None
    assert hub.policy == "nearer"


@pytest.mark.parametrize(
    ("content", "fix"),
    [(b"", "is empty"), (b"\n", "is empty"), (b"\xff\xfe", "not UTF-8"), (b"x" * 70_000, "larger than 65536 bytes")],
)
def test_secret_files_that_hold_none(file: Path, content: bytes, fix: str) -> None:
    secret_file(file.parent / "hub", content)
    assert fix in fixes(file, f'{KEY}_file = "hub"')[f"{KEY}_file"]


def test_a_missing_secret_file_is_one_problem_even_where_the_secret_is_required(file: Path) -> None:
    file.write_text(f'{KEY}_file = "none"\ncheckpoints.blob_connection_string = "{BLOB}"')
    with pytest.raises(ConfigError) as raised:
        load(file, environ={}, for_command="run")
    assert [problem.key for problem in raised.value.problems] == [f"{KEY}_file"]


def test_a_wrong_secret_in_a_file_is_reported_with_the_file(file: Path) -> None:
    path = secret_file(file.parent / "hub", b"Endpoint=sb://a/;SharedAccessKey=abc")
    fix = fixes(file, f'{KEY}_file = "hub"')[KEY]
    assert "SharedAccessKeyName is missing" in fix
    assert f"(read from {path})" in fix


def test_a_secret_given_twice_in_one_place(file: Path) -> None:
    secret_file(file.parent / "hub", EVENT_HUB.encode())
    assert "given twice" in fixes(file, f'{KEY} = "{EVENT_HUB}"\n{KEY}_file = "hub"')[KEY]
    assert loaded(file, f'{KEY} = ""\n{KEY}_file = "hub"').hub.event_hub_connection_string


def test_a_higher_place_overrides_either_form_below(file: Path) -> None:
    higher = EVENT_HUB.replace("service;", "higher;")
    name = "INGEST__HUB__EVENT_HUB_CONNECTION_STRING"
    assert loaded(file, f'{KEY}_file = "none"', **{name: higher}).hub.event_hub_connection_string == Secret(higher)
    path = secret_file(file.parent / "hub", higher.encode())
    environ = {f"{name}_FILE": str(path)}
    assert loaded(file, f'{KEY} = "{EVENT_HUB}"', **environ).hub.event_hub_connection_string == Secret(higher)


def test_librdkafkas_secrets_come_from_files_too(file: Path) -> None:
    path = secret_file(file.parent / "password", b"hunter22\n")
    expected = {"sasl.password": Secret("hunter22")}
    assert dict(loaded(file, '[kafka.librdkafka]\n"sasl.password_file" = "password"').kafka.librdkafka) == expected
    environ = {"INGEST__KAFKA__LIBRDKAFKA__SASL_PASSWORD_FILE": str(path)}
    assert dict(loaded(file, "", **environ).kafka.librdkafka) == expected
    twice = '[kafka.librdkafka]\n"sasl.password_file" = "password"\n"sasl.password" = "x"'
    assert "given twice" in fixes(file, twice)["kafka.librdkafka.sasl.password"]


@pytest.mark.parametrize("name", [KEY, "kafka.librdkafka.sasl.password"])
def test_a_secret_on_the_command_line_is_refused(file: Path, name: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(file, environ={}, overrides=[f"{name}={EVENT_HUB}"], for_command="print-config")
    [problem] = raised.value.problems
    assert (problem.key, problem.value) == (name, "***")
    assert f"--set {name}_file=PATH" in problem.fix


@pytest.mark.parametrize(("mode", "warned"), [(0o644, True), (0o640, False)])
def test_a_file_with_secrets_that_all_can_read_is_warned_about(
    file: Path, caplog: pytest.LogCaptureFixture, mode: int, warned: bool
) -> None:
    secret_file(file.parent / "hub", EVENT_HUB.encode(), mode)
    with caplog.at_level(logging.WARNING):
        loaded(file, f'{KEY}_file = "hub"')
    assert bool(caplog.records) is warned
    caplog.clear()
    file.chmod(mode)
    with caplog.at_level(logging.WARNING):
        loaded(file, f'{KEY} = "{EVENT_HUB}"')
    assert bool(caplog.records) is warned
    caplog.clear()
    loaded(file, 'source.topic = "x"')
    assert not caplog.records


_SECRETS = st.binary(min_size=12, max_size=40).map(lambda key: base64.b64encode(key).decode())
_PLACES = st.sampled_from(
    [
        KEY,
        "hub.event_hub_conection_string",
        "hub.iot_hub_connection_string",
        "checkpoints.blob_connection_string",
        "source.topic",
        "source.partitions",
        "kafka.bootstrap_servers",
        "hub.ca_file",
        "hub.event_hub_connection_string_file",
        "source.start.0x",
        "kafka.librdkafka.sasl.password",
        "kafka.librdkafka.sasl.pasword",
        "kafka.librdkafka.acks",
        "unknown.key",
    ]
)
_AROUND = st.sampled_from(
    [EVENT_HUB, EVENT_HUB.replace("EntityPath", "Entity"), f"pasted {EVENT_HUB}", f"SharedAccessKey={EVENT_HUB_KEY}"]
)


@given(secret=_SECRETS, place=_PLACES, around=_AROUND, by_flag=st.booleans())
def test_no_error_and_no_listing_shows_a_secret(secret: str, place: str, around: str, by_flag: bool) -> None:
    text = around.replace(EVENT_HUB_KEY, secret)
    section, key, *setting = place.split(".", 2)
    variable = "__".join(["INGEST", section, key, *(part.replace(".", "_") for part in setting)]).upper()
    environ = {} if by_flag else {variable: text}
    overrides = [f"{place}={text}"] if by_flag else []
    shown = ""
    try:
        config = load(None, environ=environ, overrides=overrides, for_command="print-config")
        shown = repr(config) + effective_toml(config)
    except ConfigError as error:
        shown = str(error) + repr(error.problems)
    assert secret not in shown
