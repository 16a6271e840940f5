"""The think toolset."""

from __future__ import annotations

import pytest

from docker_agent.errors import ToolError
from docker_agent.tools.port import Draft
from docker_agent.tools.think import MAX_THOUGHTS, Think
from tests.requirements import requirement
from tests.tools.surroundings import around, context

pytestmark = pytest.mark.anyio


@requirement("tool:think:think")
async def test_think_answers_with_all_thoughts_so_far() -> None:
    """runtime.md §9.4: the result's shape."""
    think, state = Think(), Draft()
    first = await think.call("think", {"thought": "one"}, context(state))
    second = await think.call("think", {"thought": "two"}, context(state))
    assert first.text == "Thoughts:\none"
    assert second.text == "Thoughts:\none\ntwo"


@requirement("tool:think:scope")
async def test_thoughts_stay_with_their_conversation_and_agent() -> None:
    """runtime.md §1.3, §9.4: nothing lives in the toolset that all share; a run shows its own."""
    think, mine, yours = Think(), Draft(), Draft()
    await think.call("think", {"thought": "secret"}, context(mine))
    other = await think.call("think", {"thought": "hello"}, context(yours))
    sibling = await think.call("think", {"thought": "me too"}, context(mine, agent="helper"))
    resumed = await think.call("think", {"thought": "more"}, context(Draft(mine.entries())))
    assert think.scope == "conversation"
    assert other.text == "Thoughts:\nhello"
    assert sibling.text == "Thoughts:\nme too"
    assert resumed.text == "Thoughts:\nsecret\nmore"
    later = await think.call("think", {"thought": "new"}, context(mine, run="next"))
    assert later.text == "Thoughts:\nnew"


@requirement("tool:think:think")
async def test_only_the_newest_thoughts_are_kept() -> None:
    """runtime.md §9.4: at most 50."""
    think, state = Think(), Draft()
    results = [
        await think.call("think", {"thought": f"t{number}"}, context(state))
        for number in range(MAX_THOUGHTS + 1)
    ]
    shown = results[-1].text.split("\n")[1:]
    assert shown == [f"t{number}" for number in range(1, MAX_THOUGHTS + 1)]


@requirement("tool:think:think")
async def test_think_is_harmless_and_wants_a_thought() -> None:
    """runtime.md §9.4 and §6.4: it reads only, and it explains itself."""
    think = Think()
    listing = await think.tools(around())
    (spec,) = listing.specs
    assert spec.name == "think"
    assert (spec.read_only, spec.harmless) == (True, True)
    assert spec.parameters["required"] == ["thought"]
    assert "scratch pad" in listing.instructions
    assert await think.tools(around()) is listing
    with pytest.raises(ToolError, match="`thought` is missing"):
        await think.call("think", {}, context())
