"""Tools that a server has no use for: user_prompt declines, session_context is empty."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from docker_agent.env.chain import Values
from docker_agent.permissions import Rules, decide
from docker_agent.tools.table import TOOLSETS, Opening
from tests.config.reading import tree
from tests.requirements import requirement
from tests.tools.surroundings import around, context

pytestmark = pytest.mark.anyio

OPENING = Opening(Path(), Values({}))


@requirement("tool:user_prompt:declines")
async def test_a_question_is_declined_and_belongs_in_the_reply() -> None:
    """runtime.md §9.18: at once, as an error, with the sentence that tells the model to ask."""
    async with TOOLSETS["user_prompt"](tree("{}"), OPENING) as toolset:
        (spec,) = (await toolset.tools(around())).specs
        assert spec.parameters["required"] == ["message"]
        assert set(spec.parameters["properties"]) == {"message", "title", "schema"}
        assert decide(Rules(), "restricted", spec, {}).allowed
        found = await toolset.call("user_prompt", {"message": "Which one?"}, context())
        assert found.is_error
        assert found.text.startswith('{"action":"decline"}\n')
        assert "ask the question in your reply and stop" in found.text
        assert await toolset.call("user_prompt", {}, context()) == found


@requirement("tool:session_context:empty")
async def test_nobodys_sessions_are_shown(caplog: pytest.LogCaptureFixture) -> None:
    """runtime.md §9.17: accepted, no tools, one warning at the start."""
    with caplog.at_level(logging.WARNING):
        async with TOOLSETS["session_context"](tree("{}"), OPENING) as toolset:
            assert not await toolset.tools(around())
            assert (await toolset.call("list_sessions", {}, context())).is_error
    assert [record.message for record in caplog.records] == [
        "session_context has no tools here: a server shows nobody's sessions"
    ]
