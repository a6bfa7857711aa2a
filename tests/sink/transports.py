"""The transports of commands and feedback (`sink.transport`) that tests run over."""

from typing import Literal

import pytest

from ingest.extras import UAMQP, is_installed

Transport = Literal["fast", "sdk"]

BOTH = ("fast", pytest.param("sdk", marks=pytest.mark.uamqp))
"""For `parametrize`: where uamqp is not installed, the summary says how many tests that leaves out."""
HERE: tuple[Transport, ...] = ("fast", "sdk") if is_installed(UAMQP) else ("fast",)
"""For one test that goes through all of them."""
