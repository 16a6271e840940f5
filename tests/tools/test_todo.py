"""The todo toolset."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from docker_agent.env.chain import Values
from docker_agent.errors import ModelError, ToolError
from docker_agent.events import ignore
from docker_agent.messages import EMPTY_CONVERSATION, JSON, Conversation, ToolMessage
from docker_agent.models.port import Ask
from docker_agent.permissions import Rules, decide
from docker_agent.runtime.agent import Agent
from docker_agent.runtime.loop import run
from docker_agent.runtime.request import Outcome
from docker_agent.runtime.toolbox import Toolbox
from docker_agent.tools.port import CallContext, Draft
from docker_agent.tools.table import TOOLSETS, Opening
from docker_agent.tools.todo import MAX_TODOS, Todo
from tests.config.reading import tree
from tests.requirements import requirement
from tests.test_ports import FakeModel, ask_of, call, last_text, team_of
from tests.tools.surroundings import around, context

pytestmark = pytest.mark.anyio


async def answer(toolset: Todo, tool: str, where: CallContext, **arguments: JSON) -> JSON:
    """What a tool answers, decoded."""
    result = await toolset.call(tool, arguments, where)
    assert not result.is_error
    return json.loads(result.text)


def item(number: int, description: str, status: str = "pending") -> dict[str, str]:
    return {"id": f"todo_{number}", "description": description, "status": status}


@requirement("tool:todo:results")
async def test_each_tool_answers_with_the_whole_list() -> None:
    """runtime.md §9.5: the JSON of each tool, exact."""
    todo, here = Todo(), context(Draft())
    assert await answer(todo, "list_todos", here) == {"todos": []}
    one = item(1, "a")
    assert await answer(todo, "create_todo", here, description="a") == {
        "created": one,
        "all_todos": [one],
        "reminder": "Some items are still open: (pending) [todo_1] a",
    }
    more = [item(2, "b"), item(3, "c")]
    assert await answer(todo, "create_todos", here, descriptions=["b", "c"]) == {
        "created": more,
        "all_todos": [one, *more],
        "reminder": "Some items are still open: (pending) [todo_1] a, (pending) [todo_2] b, "
        "(pending) [todo_3] c",
    }
    changes = [
        {"id": "todo_3", "status": "in-progress"},
        {"id": "todo_1", "status": "completed"},
        {"id": "todo_9", "status": "completed"},
    ]
    after = [item(1, "a", "completed"), item(2, "b"), item(3, "c", "in-progress")]
    reminder = "Some items are still open: (in-progress) [todo_3] c, (pending) [todo_2] b"
    assert await answer(todo, "update_todos", here, updates=changes) == {
        "updated": changes[:2],
        "not_found": ["todo_9"],
        "all_todos": after,
        "reminder": reminder,
    }
    assert await answer(todo, "list_todos", here) == {"todos": after, "reminder": reminder}


@requirement("tool:todo:results")
async def test_there_is_no_reminder_once_all_is_done() -> None:
    """runtime.md §9.5: present while any item is not completed; the keys' order is fixed."""
    todo, here = Todo(), context(Draft())
    await answer(todo, "create_todos", here, descriptions=["a", "b"])
    updates = [{"id": f"todo_{number}", "status": "completed"} for number in (1, 2)]
    found = await answer(todo, "update_todos", here, updates=updates)
    assert list(found) == ["updated", "not_found", "all_todos"]
    assert await answer(todo, "list_todos", here) == {"todos": found["all_todos"]}


@requirement("tool:todo:errors")
@pytest.mark.parametrize(
    ("tool", "arguments", "complaint"),
    [
        ("create_todo", {}, "argument `description` is missing"),
        ("create_todos", {}, "argument `descriptions` is missing"),
        ("update_todos", {}, "argument `updates` is missing"),
        ("update_todos", {"updates": []}, "no item was updated"),
        (
            "update_todos",
            {"updates": [{"id": "todo_7", "status": "completed"}]},
            "no item was updated; not found: todo_7; the items are: todo_1",
        ),
        ("update_todos", {"updates": [{"id": "todo_1", "status": "done"}]}, "in-progress"),
        ("update_todos", {"updates": [{"id": "todo_1"}]}, "status"),
        ("create_todos", {"descriptions": ["x"] * MAX_TODOS}, "at most 1000"),
    ],
)
async def test_what_cannot_be_done_changes_nothing(
    tool: str, arguments: dict[str, JSON], complaint: str
) -> None:
    """runtime.md §9.5: nothing updated is an error; the status is one of three."""
    todo, state = Todo(), Draft()
    await answer(todo, "create_todo", context(state), description="a")
    before = state.entries()
    with pytest.raises(ToolError) as caught:
        await todo.call(tool, arguments, context(state))
    assert complaint in str(caught.value)
    assert state.entries() == before


@requirement("tool:todo:results")
async def test_slips_of_models_are_repaired() -> None:
    """runtime.md §5.4: one text where a list belongs, a list written as text, one object."""
    todo, here = Todo(), context(Draft())
    assert len((await answer(todo, "create_todos", here, descriptions="a"))["created"]) == 1
    assert len((await answer(todo, "create_todos", here, descriptions='["b","c"]'))["created"]) == 2
    change = {"id": "todo_1", "status": "completed"}
    assert (await answer(todo, "update_todos", here, updates=change))["updated"] == [change]


@requirement("tool:todo:scope")
async def test_a_list_belongs_to_one_agent_of_one_conversation() -> None:
    """runtime.md §9.5: one list per agent, unless shared; never across conversations."""
    mine, yours = Draft(), Draft()
    for shared, seen in ((False, 0), (True, 1)):
        todo = Todo(shared=shared)
        mine, yours = Draft(), Draft()
        await answer(todo, "create_todo", context(mine), description="secret")
        helper = await answer(todo, "list_todos", context(mine, agent="helper"))
        assert len(helper["todos"]) == seen
        assert await answer(todo, "list_todos", context(yours)) == {"todos": []}
    assert Todo().scope == "conversation"


@requirement("tool:todo:scope")
async def test_the_file_says_whether_agents_share() -> None:
    """agent-file.md §2.9, `shared`."""
    opening = Opening(Path(), Values({}))
    async with TOOLSETS["todo"](tree("shared: true"), opening) as toolset:
        state = Draft()
        await toolset.call("create_todo", {"description": "a"}, context(state))
        other = await toolset.call("list_todos", {}, context(state, agent="helper"))
        assert "todo_1" in other.text


@requirement("tool:todo:scope")
async def test_todo_tools_run_in_every_mode_but_strict() -> None:
    """runtime.md §6.2, §9.5: labelled safe, read-only, category todo."""
    specs = (await Todo().tools(around())).specs
    assert [spec.name for spec in specs] == [
        "create_todo",
        "create_todos",
        "update_todos",
        "list_todos",
    ]
    for spec in specs:
        assert (spec.read_only, spec.category) == (True, "todo")
        assert decide(Rules(), "restricted", spec, {}).allowed


def scribe(ask: Ask) -> str | tuple[object, ...] | ModelError:
    """A model that writes down what it hears, then shows the list; `break` breaks it."""
    last = ask.messages[-1]
    if not isinstance(last, ToolMessage):
        text = last_text(ask)
        if text == "show":
            return (call("list_todos"),)
        return (call("create_todo", arguments=json.dumps({"description": text})),)
    if "break" in last.text:
        return ModelError("model_error", "down")
    return last.text


async def turn(text: str, conversation: Conversation = EMPTY_CONVERSATION) -> Outcome:
    """One turn of an agent that has a list; every turn has a new team, as after a restart."""
    agent = Agent("root", FakeModel(scribe), toolbox=Toolbox([Todo()]))  # type: ignore[arg-type]
    return await run(team_of(agent), ask_of(text, conversation=conversation), ignore)


def shown(outcome: Outcome) -> list[str]:
    return [each["description"] for each in json.loads(outcome.text)["todos"]]


@requirement("runtime:20.2:todo-scope")
async def test_two_conversations_never_see_each_others_lists() -> None:
    """runtime.md §20.2 row 17."""
    mine, yours = await turn("mine"), await turn("yours")
    assert shown(await turn("show", mine.conversation)) == ["mine"]
    assert shown(await turn("show", yours.conversation)) == ["yours"]
    assert shown(await turn("show")) == []


@requirement("tool:todo:failed-turn")
async def test_a_turn_that_fails_leaves_the_list_as_it_was() -> None:
    """DESIGN.md §1: a failed turn advances no todo list either."""
    first = await turn("one")
    broken = await turn("break", first.conversation)
    assert broken.failure is not None and broken.acted
    assert shown(await turn("show", broken.conversation)) == ["one"]
    second = await turn("two", broken.conversation)
    assert shown(await turn("show", second.conversation)) == ["one", "two"]
    assert shown(await turn("show", first.conversation)) == ["one"]
