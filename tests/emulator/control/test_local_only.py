from collections.abc import Iterator

import pytest

from tests.emulator.control.test_endpoint import Bench
from tests.emulator.http_client import request


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


def answer(bench: Bench, **headers: str) -> int:
    return request(bench.port, "DELETE", "/faults", headers=headers).status


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:{port}", "[::1]:{port}", "127.9.9.9:1"])
def test_a_program_on_this_machine_is_served(bench: Bench, host: str) -> None:
    assert answer(bench, Host=host.format(port=bench.port)) == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "10.0.0.1", "", "["])
def test_a_name_that_was_made_to_point_here_is_refused(bench: Bench, host: str) -> None:
    assert answer(bench, Host=host.format(port=bench.port)) == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1", "https://127.0.0.1:{port}"])
def test_a_page_of_another_place_is_refused(bench: Bench, origin: str) -> None:
    assert answer(bench, Origin=origin.format(port=bench.port)) == 403


def test_a_page_of_the_endpoint_itself_is_served(bench: Bench) -> None:
    assert answer(bench, Origin=f"http://127.0.0.1:{bench.port}") == 200
