"""Agents in code mode: one tool in place of many, and every call still goes the usual way. Source:
runtime.md §15."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from docker_agent.errors import ToolError
from docker_agent.events import ToolFinished, ToolStarted
from docker_agent.messages import JSON, ToolList, ToolResult, ToolSpec
from docker_agent.permissions import Rules, parse_rule
from docker_agent.runtime.agent import Agent
from docker_agent.runtime.code_mode import NAME, CodeMode, documented, type_of
from docker_agent.tools.javascript import run_script
from docker_agent.tools.port import CallContext
from tests.requirements import requirement
from tests.runtime.players import Actor, Listener, Play, Tools, agent, call, go, team

pytestmark = pytest.mark.anyio


async def add(arguments: dict[str, JSON], context: CallContext) -> str:
    """Adds."""
    return str(arguments["a"] + arguments["b"])


async def broken(arguments: dict[str, JSON], context: CallContext) -> str:
    """Fails."""
    raise ToolError("out of order")


async def odd(arguments: dict[str, JSON], context: CallContext) -> ToolResult:
    """Answers with an error of its own."""
    return ToolResult("HTTP 404", is_error=True, next_model="other")


async def listed(arguments: dict[str, JSON], context: CallContext) -> str:
    """A todo list."""
    return "milk"


class Shelf(Tools):
    """Tools of several categories."""

    def __init__(self) -> None:
        super().__init__({"add": add, "broken": broken, "odd": odd, "list_todos": listed})
        numbers: dict[str, JSON] = {key: {"type": "integer"} for key in "ab"}
        schema = {"type": "object", "properties": numbers, "required": ["a", "b"]}
        self._listing = ToolList(
            [
                ToolSpec("add", "Adds two numbers.", schema),
                ToolSpec("broken", "", {}),
                ToolSpec("odd", "", {}),
                ToolSpec("list_todos", "", {}, category="todo"),
            ],
            instructions="## Shelf",
        )


def coding(*plays: Play, **fields: Any) -> Agent:  # noqa: ANN401 - fields of an agent
    """An agent in code mode."""
    of = agent("root", Actor(*plays), Shelf())
    return dataclasses.replace(of, code_mode=CodeMode(run_script), **fields)


def script(text: str, id: str = "s1") -> tuple[Any, ...]:
    """A turn that runs a script."""
    return (call(NAME, id, script=text),)


def told(of: Agent, place: int = -1) -> dict[str, Any]:
    """What the model was told of its script."""
    assert isinstance(of.model, Actor)
    text, _ = of.model.results(place)[-1]
    return json.loads(text)


@requirement("code:script", "code:direct")
async def test_a_model_sees_one_tool_and_calls_many() -> None:
    """runtime.md §15: functions with their documentation; todo tools stay; prompt texts stay."""
    root = coding(
        script("return await add({a: 1, b: Number(await add({a: 2, b: 3})), c: null})"), "done"
    )
    listener = Listener()
    assert (await go(team(root), listener)).text == "done"
    assert isinstance(root.model, Actor)
    ask = root.model.asked[0]
    assert [spec.name for spec in ask.tools.specs] == ["list_todos", NAME]
    description = ask.tools.by_name[NAME].description
    assert " * Adds two numbers.\n * @param {number} args.a\n" in description
    assert "function broken(args)" in description and "list_todos" not in description
    assert "## Shelf" in str(ask.messages[0])
    assert told(root) == {"value": "6", "stdout": "", "stderr": ""}
    seen = [type(event) for _, event in listener.heard if isinstance(event, ToolStarted)]
    assert len(seen) == 3
    ids = [event.call.id for _, event in listener.heard if isinstance(event, ToolFinished)]
    assert ids == ["s1_1", "s1_2", "s1"]


@requirement("code:calls")
async def test_what_fails_in_a_tool_is_an_exception_there() -> None:
    """runtime.md §15: exceptions for failures, text for a tool's own errors; `tool_calls` tell."""
    root = coding(
        script("try { await broken({}) } catch (e) { return e.message + '|' + await odd({}) }"),
        script("await broken({x: 1})", "s2"),
        "done",
        models={"other": (other := Actor("other")), "x": other},
    )
    outcome = await go(team(root))
    assert outcome.text == "other"
    assert told_by(other)["value"] == "Error calling tool: out of order|HTTP 404"


def told_by(model: Actor) -> dict[str, Any]:
    """What a model was told of the last script."""
    return json.loads(model.results()[-1][0])


@requirement("code:calls")
async def test_a_script_that_fails_tells_what_it_did() -> None:
    """runtime.md §15: the error as value, and each call with its result or error."""
    root = coding(script("await add({a: 1, b: 2}); await broken({x: 1})"), "done")
    await go(team(root))
    assert told(root) == {
        "value": "Error: Error calling tool: out of order",
        "stdout": "",
        "stderr": "",
        "tool_calls": [
            {"name": "add", "arguments": {"a": 1, "b": 2}, "result": "3"},
            {"name": "broken", "arguments": {"x": 1}, "error": "Error calling tool: out of order"},
        ],
    }


@requirement("code:calls")
async def test_rules_and_modes_count_inside_a_script() -> None:
    """runtime.md §15: inner calls pass section 6; the script itself changes nothing."""
    text = """
    const found = [];
    for (const f of [add, odd]) {
      try { found.push(await f({a: 1, b: 1})); } catch (e) { found.push(e.message); }
    }
    return found.join('|');
    """
    denied = coding(script(text), "done")
    await go(team(denied, rules=Rules(deny=(parse_rule("add:a=1"),))))
    first, second = told(denied)["value"].split("|")
    assert first.startswith("Tool 'add' is denied") and second == "HTTP 404"
    restricted = coding(script(text), "done")
    await go(team(restricted), safety="restricted")
    assert all("restricted" in part for part in told(restricted)["value"].split("|"))


@requirement("code:direct")
async def test_runs_of_their_own_stay_tools() -> None:
    """runtime.md §15, R: transfer_task and handoff are called directly."""
    sub = agent("sub", Actor("42"))
    root = coding((call("transfer_task", agent="sub", task="x"),), "done", sub_agents=("sub",))
    assert (await go(team(root, sub))).text == "done"
    assert isinstance(root.model, Actor)
    assert root.model.results() == [("42", False)]
    names = [spec.name for spec in root.model.asked[0].tools.specs]
    assert names == ["list_todos", "transfer_task", NAME]


@requirement("code:bounds")
async def test_a_script_that_is_none_is_told() -> None:
    """runtime.md §5.4: the error shows what was expected."""
    root = coding((call(NAME, script=" "),), "done")
    await go(team(root))
    assert isinstance(root.model, Actor)
    assert '{"script": "return 1"}' in root.model.results()[0][0]


@requirement("code:script")
async def test_the_list_is_written_once() -> None:
    """DESIGN.md §5: nothing per request that could be prepared once per agent."""
    root = coding("a", "b")
    await go(team(root))
    await go(team(root))
    assert isinstance(root.model, Actor)
    assert root.model.asked[0].tools is root.model.asked[1].tools


@requirement("code:script")
@pytest.mark.parametrize(
    ("schema", "written"),
    [
        ({"type": "string"}, "string"),
        ({"type": "integer"}, "number"),
        ({"type": ["string", "null"]}, "string|null"),
        ({"enum": ["a", 1]}, '"a"|1'),
        ({"type": "array", "items": {"type": "string"}}, "string[]"),
        ({"type": "array", "items": {"enum": ["a", "b"]}}, 'Array<"a"|"b">'),
        ({"type": "object", "properties": {"x": {"type": "boolean"}}}, "{x: boolean}"),
        ({}, "any"),
        (True, "any"),
    ],
)
def test_types_are_written_as_jsdoc_has_them(schema: JSON, written: str) -> None:
    """runtime.md §15: JSDoc-like, built from the schemas."""
    assert type_of(schema) == written


@requirement("code:script")
def test_a_function_is_documented() -> None:
    """runtime.md §15: words cannot end the comment; the output's schema is told."""
    parameters = {
        "properties": {"p": {"type": "string", "description": "a */ b"}, "q": {}},
        "required": ["p"],
    }
    spec = ToolSpec("a-b", "Does */\nthis.", parameters, output_schema={"type": "object"})
    assert documented(spec) == (
        "/**\n * Does * / this.\n * @param {string} args.p a * / b\n * @param {any} [args.q]\n"
        ' * @returns Promise<string> JSON: {"type": "object"}\n */\nfunction a_b(args)\n'
    )
