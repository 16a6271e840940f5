"""The session_plan toolset: one plan for a conversation, kept with its turns."""

from __future__ import annotations

from pathlib import Path

import pytest

from docker_agent.errors import ToolError
from docker_agent.permissions import Rules, decide
from docker_agent.tools.port import Draft
from docker_agent.tools.session_plan import MAX_LENGTH, READY_TO_SHOW, SessionPlan
from tests.conftest import Serve
from tests.harness import agent_yaml
from tests.requirements import requirement
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import call, fail, say
from tests.tools.surroundings import around, context

pytestmark = pytest.mark.anyio


async def told(toolset: SessionPlan, tool: str, state: Draft, **arguments: str) -> str:
    """What a tool answers."""
    result = await toolset.call(tool, dict(arguments), context(state, agent="any"))
    assert not result.is_error
    return result.text


@requirement("session_plan:tools")
async def test_a_plan_is_written_read_and_shown_to_the_user() -> None:
    """runtime.md §9.17: three tools; the whole plan each time."""
    toolset, state = SessionPlan(), Draft()
    for tool in ("read_session_plan", "exit_plan_mode"):
        with pytest.raises(ToolError, match="there is no plan yet"):
            await told(toolset, tool, state)
    for content in ("# One", "# Two é\n"):
        await told(toolset, "write_session_plan", state, content=content)
        assert await told(toolset, "read_session_plan", state) == content
    assert await told(toolset, "exit_plan_mode", state) == READY_TO_SHOW
    for wrong in ("", "  ", "x" * (MAX_LENGTH + 1)):
        with pytest.raises(ToolError, match="`content`"):
            await told(toolset, "write_session_plan", state, content=wrong)
    assert await told(toolset, "read_session_plan", state) == "# Two é\n"


@requirement("session_plan:tools")
async def test_it_touches_nothing_outside_the_conversation() -> None:
    """runtime.md §6.2: safe in every mode but strict."""
    listing = await SessionPlan().tools(around())
    assert all(decide(Rules(), "restricted", spec, {}).allowed for spec in listing.specs)
    assert not any(decide(Rules(), "strict", spec, {}).allowed for spec in listing.specs)
    assert {spec.name for spec in listing.specs if spec.read_only} == {
        "read_session_plan",
        "exit_plan_mode",
    }


@requirement("session_plan:scope")
def test_a_plan_is_its_conversations_and_a_failed_turn_writes_none(
    scripted: Scripted, serve: Serve, model: Model, tmp_path: Path
) -> None:
    """runtime.md §1.3: conversation scope; DESIGN.md §1; over a restart, too."""
    agent = {"model": model.name, "toolsets": [{"type": "session_plan"}]}
    flags = ("--conversations-max", "9", "--conversations", f"sqlite:{tmp_path / 'kept.db'}")
    file = agent_yaml(scripted.url, {"root": agent})
    server = serve(file, *flags)

    def asked(conversation: str, tool: str, **arguments: str) -> str:
        model.script(call(tool, arguments), say("done"))
        headers = {"x-conversation-id": conversation}
        assert server.client().chat("go", headers=headers).content == "done"
        return [m["content"] for m in model.heard[-1].messages if m["role"] == "tool"][-1]

    for who in ("ann", "ben"):
        asked(who, "write_session_plan", content=f"plan of {who}")
    model.script(call("write_session_plan", {"content": "never"}), fail(400, "no"))
    assert server.client().chat("go", headers={"x-conversation-id": "ann"}).status >= 400
    server.stop()
    server = serve(file, *flags)
    assert asked("ann", "read_session_plan") == "plan of ann"
    assert asked("ben", "read_session_plan") == "plan of ben"
    assert "there is no plan yet" in asked("eve", "read_session_plan")
