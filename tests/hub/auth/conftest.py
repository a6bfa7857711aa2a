"""A token endpoint, and an environment in which nothing names another one."""

import os
from collections.abc import Iterator

import pytest

from ingest.hub.auth.held import HELD, HeldTokens
from tests.hub.auth.fake_entra import VARIABLES, FakeEntra


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeEntra]:
    with FakeEntra(tmp_path_factory.mktemp("entra")) as made:
        yield made


@pytest.fixture
def fake(endpoint: FakeEntra, monkeypatch: pytest.MonkeyPatch) -> FakeEntra:
    """As at its start."""
    for name in list(os.environ):
        if name.upper().startswith(VARIABLES):
            monkeypatch.delenv(name)
    endpoint.life, endpoint.status, endpoint.error, endpoint.body, endpoint.arc_key = 3600, 200, "", None, None
    endpoint.asked.clear()
    return endpoint


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> HeldTokens:
    """This process's tokens, none at first."""
    monkeypatch.setattr(HELD, "_news", {})
    monkeypatch.setattr(HELD, "_fetch", None)
    return HELD
