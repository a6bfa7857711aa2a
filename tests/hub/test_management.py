"""What a hub may answer to a question, readable or not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.hub.management import _told
from ingest.hub.service_errors import HubError

values = st.none() | st.booleans() | st.integers() | st.text() | st.binary() | st.lists(st.integers(), max_size=2)


@given(st.dictionaries(st.sampled_from(("created_at", "other")), values), st.sampled_from((int, str, bool, list)))
def test_an_answer_is_of_the_kind_that_is_wanted_or_an_error_in_words(answer: dict[str, Any], kind: type) -> None:
    wanted = answer.get("created_at")
    if isinstance(wanted, kind):
        assert _told(answer, "created_at", kind) is wanted
    else:
        with pytest.raises(HubError, match=r"the answer of \$management has no created_at that can be read"):
            _told(answer, "created_at", kind)
