"""Every record format keeps the contract, by Python's code and by the compiled core's."""

from typing import Any

import pytest

from ingest.config.kinds import Choice
from ingest.config.schema import NEED_REGISTRY
from ingest.config.sections import key_of
from ingest.source.events.decoder import event_of
from ingest.source.formats import FORMATS, WITH_SCHEMA
from ingest.source.hot_path import PythonEncoder
from tests.source.core.compare import ENCODERS, decode
from tests.source.formats.contract import FormatContract, Subject


def of_python(name: str) -> Subject:
    return Subject(FORMATS[name], name, lambda partition: PythonEncoder(FORMATS[name](partition).encode), event_of)


def of_core(name: str) -> Subject:
    return Subject(FORMATS[name], name, ENCODERS[name], decode)


SUBJECTS = [pytest.param(of_python(name), id=name) for name in FORMATS]
SUBJECTS += [pytest.param(of_core(name), id=f"{name} compiled") for name in ENCODERS]


class TestFormats(FormatContract):
    @pytest.fixture(scope="class", params=SUBJECTS)
    @classmethod
    def subject(cls, request: Any) -> Any:
        return request.param


def test_the_configuration_offers_exactly_the_formats_there_are() -> None:
    declared = key_of(("source", "format"))
    assert declared is not None
    assert isinstance(declared.kind, Choice)
    assert declared.kind.words == tuple(FORMATS)
    assert set(WITH_SCHEMA) == set(NEED_REGISTRY) & set(FORMATS)
