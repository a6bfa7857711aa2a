"""The proxy: how it is written, what the environment says, which hosts are reached without it."""

from pathlib import Path

import pytest

from ingest.config import Config, effective_toml, load
from ingest.config.proxies import is_excepted, proxy
from ingest.config.values import BadValue, Secret
from ingest.errors import ConfigError
from tests.config.samples import EVENT_HUB

HUB = "hub.example.com"


def loaded(environ: dict[str, str], *overrides: str) -> Config:
    return load(None, environ=environ, overrides=overrides, for_command="print-config")


def fix_of(environ: dict[str, str], *overrides: str) -> str:
    with pytest.raises(ConfigError) as raised:
        loaded(environ, *overrides)
    assert "hunter22" not in str(raised.value)
    return str(raised.value)


def test_none_is_wanted_and_none_is_used() -> None:
    assert Config().proxy.towards(HUB) is None
    assert loaded({}).proxy.towards(HUB) is None


def test_the_file_names_it_and_another_its_password(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter22\n")
    file = tmp_path / "ingest.toml"
    file.write_text('[proxy]\nurl = "http://plant%201@proxy.corp:3128"\npassword_file = "password"\n')
    config = load(file, environ={"HTTPS_PROXY": "http://other:1", "NO_PROXY": "*"}, for_command="print-config")
    found = config.proxy.towards(HUB)
    assert found is not None
    assert (found.host, found.port, found.username, found.password.reveal()) == (
        "proxy.corp",
        3128,
        "plant 1",
        "hunter22",
    )
    assert found.url.reveal() == "http://plant%201:hunter22@proxy.corp:3128"
    assert "hunter22" not in f"{config!r} {found!r} {found} {effective_toml(config)} {found.url}"


@pytest.mark.parametrize(
    ("environ", "place", "user"),
    [
        ({"HTTPS_PROXY": "http://proxy.corp:3128"}, "proxy.corp:3128", ""),
        ({"https_proxy": "http://low.corp:1/", "HTTPS_PROXY": "http://up.corp:2"}, "low.corp:1", ""),
        ({"HTTPS_PROXY": "proxy.corp:3128"}, "proxy.corp:3128", ""),
        ({"HTTPS_PROXY": "http://proxy.corp"}, "proxy.corp:80", ""),
        ({"HTTPS_PROXY": "http://[::1]:3128"}, "[::1]:3128", ""),
        ({"HTTPS_PROXY": "http://me:hunter22@proxy.corp:3128"}, "proxy.corp:3128", "me"),
        ({"HTTPS_PROXY": "HTTP://me:hunter%322@proxy.corp:3128"}, "proxy.corp:3128", "me"),
    ],
)
def test_the_environment_is_the_default(environ: dict[str, str], place: str, user: str) -> None:
    config = loaded(environ)
    found = config.proxy.towards(HUB)
    assert found is not None
    assert (str(found), found.username) == (place, user)
    assert found.password.reveal() == ("hunter22" if user else "")
    assert "hunter22" not in repr(config) + effective_toml(config)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1", "169.254.169.254"])
def test_this_machine_is_never_reached_through_the_environments(host: str) -> None:
    assert loaded({"HTTPS_PROXY": "http://proxy.corp:3128"}).proxy.towards(host) is None


def test_what_the_environment_excepts() -> None:
    environ = {"HTTPS_PROXY": "http://proxy.corp:3128", "NO_PROXY": "other.org, example.com:5671,10.0.0.0/8,bad host"}
    found = loaded(environ).proxy
    assert found.towards(HUB) is None
    assert found.towards("10.1.2.3") is None
    assert found.towards("example.org") is not None


@pytest.mark.parametrize(
    "written",
    ["*.example.com", ".example.com", "EXAMPLE.COM", "*.example.com:5671", "localhost hub.example.com", "other.org,,*"],
)
def test_every_spelling_of_an_excepted_name(written: str) -> None:
    environ = {"HTTPS_PROXY": "http://proxy.corp:3128", "NO_PROXY": written}
    assert loaded(environ).proxy.towards(HUB) is None
    assert loaded({}, "proxy.url=http://proxy.corp:3128", 'proxy.no_proxy=["*.example.com"]').proxy.towards(HUB) is None


@pytest.mark.parametrize("written", ["fd00::1", "[fd00::1]", "[fd00::1]:5671", "fd00::/8", "FD00:0:0::1"])
def test_every_spelling_of_an_excepted_address(written: str) -> None:
    found = loaded({"HTTPS_PROXY": "http://proxy.corp:3128", "NO_PROXY": written}).proxy
    assert found.towards("fd00::1") is None
    assert found.towards("fe80::1") is not None


def test_the_environments_can_be_turned_off() -> None:
    assert loaded({"HTTPS_PROXY": "http://proxy.corp:3128"}, 'proxy.no_proxy=["*"]').proxy.towards(HUB) is None


@pytest.mark.parametrize(
    ("host", "exceptions", "is_one"),
    [
        ("a.example.com", ("example.com",), True),
        ("a.example.com", (".example.com",), True),
        ("a.example.com", ("*.example.com",), True),
        ("A.Example.Com.", ("example.com",), True),
        ("notexample.com", ("example.com",), False),
        ("example.com", ("a.example.com",), False),
        ("10.0.0.1", ("10.0.0.0/8",), True),
        ("10.0.0.1", ("10.0.0.1",), True),
        ("11.0.0.1", ("10.0.0.0/8",), False),
        ("[fd00::1]", ("fd00::/8",), True),
        ("10.0.0.1.example.com", ("10.0.0.0/8",), False),
        ("anything", ("*",), True),
        ("anything", (), False),
        ("169.254.169.254", (), True),
    ],
)
def test_which_hosts_are_excepted(host: str, exceptions: tuple[str, ...], is_one: bool) -> None:
    assert is_excepted(host, exceptions) is is_one


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("proxy.corp:3128", "spoken to in HTTP"),
        ("socks5://proxy.corp:1080", "spoken to in HTTP"),
        ("https://proxy.corp:443", "spoken to in HTTP"),
        ("http://proxy.corp", "port is missing"),
        ("http://proxy.corp:0", "port"),
        ("http://proxy corp:1", "not the address of a proxy"),
        ("http://proxy.corp:1/path", "not the address of a proxy"),
        ("http://me:hunter22@proxy.corp:1", "proxy.password_file"),
        ("http://a%0ab@proxy.corp:1", "no colon and no control"),
    ],
)
def test_what_is_no_proxy(text: str, fix: str) -> None:
    with pytest.raises(BadValue, match=fix):
        proxy(text)
    assert fix in fix_of({}, f"proxy.url={text}")


@pytest.mark.parametrize("text", ["socks5h://me:hunter22@proxy.corp:1080", "https://me:hunter22@proxy.corp:443"])
def test_a_proxy_of_the_environment_that_cannot_be_used_is_refused_with_its_name(text: str) -> None:
    assert "set by HTTPS_PROXY" in fix_of({"HTTPS_PROXY": text})


def test_a_password_needs_a_user() -> None:
    environ = {"INGEST__PROXY__PASSWORD": "hunter22"}
    assert "http://USER@HOST:PORT" in fix_of({**environ, "INGEST__PROXY__URL": "http://proxy.corp:3128"})
    loaded({**environ, "INGEST__PROXY__URL": "http://me@proxy.corp:3128"})


def test_a_password_that_no_header_carries() -> None:
    url = {"INGEST__PROXY__URL": "http://me@proxy.corp:3128"}
    assert "line break" in fix_of({**url, "INGEST__PROXY__PASSWORD": "hunter22\r\nX: y"})


def test_an_emulator_without_tls_has_no_websocket() -> None:
    environ = {"INGEST__HUB__EVENT_HUB_CONNECTION_STRING": f"{EVENT_HUB};UseDevelopmentEmulator=true"}
    assert "UseDevelopmentEmulator" in fix_of({**environ, "INGEST__HUB__NETWORK": "websocket"})


def test_an_address_says_nothing_secret() -> None:
    made = proxy("http://me@proxy.corp:1", Secret("hunter22"))
    assert "hunter22" not in f"{made!r} {made} {made.url!r}"
