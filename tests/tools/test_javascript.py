"""The engine for scripts: what scripts may do, and what ends them. Source: runtime.md §15."""

from __future__ import annotations

import asyncio
import json
import time

import anyio
import pytest

from docker_agent.errors import ToolError
from docker_agent.messages import JSON
from docker_agent.tools.javascript import MAX_CALLS, MAX_SCRIPT, PARALLEL_CALLS, run_script
from docker_agent.tools.port import Called, Ran
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

NAMES = ("echo", "bad", "my-tool")


async def answer(name: str, arguments: dict[str, JSON]) -> Called:
    """What the functions of these tests answer."""
    if name == "bad":
        return Called(name, arguments, error="no luck")
    return Called(name, arguments, result=json.dumps(arguments))


async def ran(script: str, **limits: float) -> Ran:
    """One script."""
    with anyio.fail_after(50):
        return await run_script(script, NAMES, answer, **limits)


@requirement("code:script")
@pytest.mark.parametrize(
    ("script", "value", "failed"),
    [
        ("return 'text'", "text", False),
        ("return 'a\U0001f600'.slice(0, 2) + 'ä'", "a?ä", False),
        ("return await echo({['\U0001f600'[0]]: ['\U0001f600'[1]]})", '{"?": ["?"]}', False),
        ("throw new Error('\U0001f600'[0])", None, True),
        ("return {a: [1, null]}", '{"a":[1,null]}', False),
        ("", "", False),
        ("return await echo({x: 1})", '{"x": 1}', False),
        ("return await tools['my-tool']({x: 1})", '{"x": 1}', False),
        ("return await my_tool()", "{}", False),
        (
            "const n = []; for (const x of [1, 2]) n.push(await echo({x})); return n[1]",
            '{"x": 2}',
            False,
        ),
        ("return JSON.parse(await echo({x: 7})).x", "7", False),
        (
            "try { await bad({}) } catch (e) { return 'caught ' + e.message }",
            "caught no luck",
            False,
        ),
        ("await bad({})", "Error: no luck", True),
        ("let v; for (let i = 0; i < 99; i++) v = [v]; await echo({v})", "", False),
        *(
            (
                f"let v; for (let i = 0; i < {depth}; i++) v = [v]; await echo({{v}})",
                "the arguments of a call are nested deeper than 128 levels",
                True,
            )
            for depth in (200, 999)
        ),
        ("throw new Error('mine')", "Error: mine", True),
        ("return await echo('x')", "Error: echo takes one object, like echo({key: value})", True),
        ("return await nope({})", "ReferenceError: nope is not defined", True),
        ("await new Promise(() => {})", "the script waits for something that never comes", True),
        ("return (", None, True),
    ],
)
async def test_a_script_comes_to_its_result(script: str, value: str | None, failed: bool) -> None:
    """runtime.md §15: top-level return and await; errors are the value."""
    found = await ran(script)
    assert found.failed is failed
    assert value is None or found.value == value


@requirement("code:script")
async def test_calls_run_side_by_side() -> None:
    """parts.md G: `Promise.all` waits once for all; at most eight at a time."""
    running, most = 0, 0
    gate = anyio.Event()

    async def slow(name: str, arguments: dict[str, JSON]) -> Called:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == PARALLEL_CALLS:
            gate.set()
        await gate.wait()
        running -= 1
        return Called(name, arguments, result="ok")

    script = "return (await Promise.all([...Array(20).keys()].map(x => echo({x})))).length"
    with anyio.fail_after(30):
        found = await run_script(script, NAMES, slow)
    assert (found.value, most, len(found.calls)) == ("20", PARALLEL_CALLS, 20)


@requirement("code:script")
async def test_what_a_script_prints_is_kept_apart() -> None:
    """runtime.md §15: console output is captured."""
    found = await ran("console.log('a', {b: 1}); console.error(new Error('c')); return 1")
    assert (found.value, found.stdout, found.stderr) == ("1", 'a {"b":1}\n', "Error: c\n")


@requirement("code:script")
async def test_what_was_called_is_told() -> None:
    """runtime.md §15: `tool_calls` with results or errors, in order."""
    found = await ran("await echo({x: 1}); await bad({y: 2})")
    assert found.calls == (
        Called("echo", {"x": 1}, result='{"x": 1}'),
        Called("bad", {"y": 2}, error="no luck"),
    )


@requirement("code:bounds")
@pytest.mark.parametrize(
    "script",
    [
        "while (true) {}",
        "await echo({}); while (true) {}",
        "/(a+)+$/.test('a'.repeat(50) + '!')",
        "const a = []; while (true) a.push(new Array(1e5).fill(1))",
        "const f = () => f() + 1; return f()",
        "console.log('x'.repeat(1e8))",
        "Promise.prototype.then = null; return 1",
        "const p = () => Promise.resolve().then(p); await p(); ",
    ],
)
async def test_no_script_takes_all(script: str) -> None:
    """runtime.md §15: limits on time and memory; the server answers meanwhile."""
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.01)
            beats += 1

    heart = asyncio.create_task(beat())
    started = time.monotonic()
    found = await ran(script, slice_seconds=0.3)
    heart.cancel()
    assert found.failed or len(found.stdout) <= 1_000_000
    assert time.monotonic() - started < 0.2 or beats > 3


@requirement("code:bounds")
async def test_a_script_has_no_door_but_its_functions() -> None:
    """runtime.md §15: no host access."""
    names = ("require", "fetch", "process", "std", "os", "setTimeout", "WebAssembly")
    found = await ran("return [" + ",".join(f"typeof {name}" for name in names) + "].join()")
    assert found.value == ",".join(["undefined"] * len(names))
    with pytest.raises(ToolError, match="longer than"):
        await ran(" " * (MAX_SCRIPT + 1))


@requirement("code:bounds")
async def test_the_number_of_calls_is_bounded() -> None:
    """runtime.md §15: a loop of calls ends."""
    found = await ran(
        "let n = 0; try { while (true) { await echo({}); n++ } } catch (e) { return n }"
    )
    assert found.value == str(MAX_CALLS)


@requirement("code:bounds")
async def test_a_script_that_waits_too_long_is_stopped_with_its_calls() -> None:
    """runtime.md §15: a wall-clock limit; runtime.md §3.8: cancelling ends the calls."""
    ended = 0

    async def forever(name: str, arguments: dict[str, JSON]) -> Called:
        nonlocal ended
        try:
            await anyio.sleep_forever()
        finally:
            ended += 1
        return Called(name, arguments)

    script = "await Promise.all([echo({}), echo({})])"
    with pytest.raises(ToolError, match=r"longer than 0\.1 seconds"), anyio.fail_after(20):
        await run_script(script, NAMES, forever, seconds=0.1)
    with anyio.move_on_after(0.1):
        await run_script(script, NAMES, forever)
    assert ended == 4
