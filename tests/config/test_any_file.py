"""Whatever a file holds, its reader answers with a file or with an error for the operator."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from docker_agent.config.agent_file import AgentFile
from docker_agent.config.parse import parse
from docker_agent.errors import ConfigError
from tests.config.reading import NAME, problems
from tests.requirements import requirement


@requirement("file:8:several")
def test_the_first_ten_problems_are_said_at_once() -> None:
    """STYLE.md, Errors."""
    keys = "\n".join(f"    k{number}: 1" for number in range(30))
    assert len(problems(f"agents:\n  r:\n{keys}\n")) == 10


@requirement("file:8:nothing-else")
@settings(deadline=None)
@given(st.one_of(st.binary(), st.text().map(lambda text: text.encode("utf-8", "surrogatepass"))))
def test_any_bytes_are_a_file_or_an_error_for_the_operator(data: bytes) -> None:
    """STYLE.md, Errors: foreign errors become ours at the border."""
    try:
        found = parse(data, NAME)
    except ConfigError:
        return
    assert isinstance(found, AgentFile)


_VOCABULARY = """
    version agents models providers toolsets mcps rag skills commands hooks type model provider root
    shell mcp ref command url first_available routing examples a/b a,b auto 12 3 true null 1m30s
    local name description instructions fallback cooldown thinking_budget
"""
_WORDS = st.sampled_from(_VOCABULARY.split())
_TREES = st.recursive(
    _WORDS | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_WORDS, inner, max_size=5),
    max_leaves=30,
)


@requirement("file:8:nothing-else")
@settings(deadline=None)
@given(st.dictionaries(_WORDS, _TREES, max_size=6))
def test_any_tree_of_known_words_is_a_file_or_an_error_for_the_operator(
    value: dict[str, object],
) -> None:
    """STYLE.md, Errors: foreign errors become ours at the border."""
    try:
        found = parse(json.dumps(value).encode(), NAME)
    except ConfigError as exc:
        assert str(exc).startswith(f"{NAME}:")
        return
    assert isinstance(found, AgentFile)
