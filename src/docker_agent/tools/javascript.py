"""Runs a script of a model's in an engine of its own, whose only doors are the functions it is
given. Source: runtime.md §15."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar, cast

from docker_agent.depth import TOO_DEEP, is_too_deep
from docker_agent.errors import ToolError
from docker_agent.messages import JSON
from docker_agent.tools.port import Called, CallFunction, Ran

SLICE_SECONDS = 1.5
"""Seconds of computing between two waits of a script."""

SCRIPT_SECONDS = 60.0
"""Seconds one script may take, its calls included."""

MEMORY = 64 * 1024 * 1024
"""Bytes of one engine."""

STACK = 512 * 1024
MAX_CALLS = 200
PARALLEL_CALLS = 8
"""Calls one script may make, and how many of them run at once."""

MAX_SCRIPT = 256 * 1024
MAX_RESULT = 1_000_000
"""Characters of a script, and of what it may give or print."""

_PRELUDE = """
((names, aliases, limit) => {
  "use strict";
  const text = String, write = JSON.stringify, parse = JSON.parse, MAX = limit;
  const asked = [], waiting = new Map(), lines = {stdout: "", stderr: ""};
  let next = 0, state = "running", value = "";
  const show = (each) => {
    if (typeof each === "string") return each;
    if (each instanceof Error) return text(each);
    try { const found = write(each); return found === undefined ? text(each) : found; }
    catch (error) { return text(each); }
  };
  const printer = (stream) => (...parts) => {
    lines[stream] = (lines[stream] + parts.map(show).join(" ") + "\\n").slice(0, MAX);
  };
  const out = printer("stdout"), err = printer("stderr");
  globalThis.console = {log: out, info: out, debug: out, warn: err, error: err, trace: err};
  const tools = Object.create(null);
  names.forEach((name, index) => {
    const call = (given) => new Promise((resolve, reject) => {
      const id = next++;
      waiting.set(id, [resolve, reject]);
      asked.push([id, name, given === undefined || given === null ? {} : given]);
    });
    tools[name] = call;
    globalThis[aliases[index]] = call;
  });
  globalThis.tools = Object.freeze(tools);
  return {
    start: (main) => { main().then(
      (found) => { state = "done"; value = found === undefined ? "" : show(found).slice(0, MAX); },
      (error) => { state = "failed"; value = show(error).slice(0, MAX); }
    ); },
    settle: (id, ok, found) => {
      const [resolve, reject] = waiting.get(id);
      waiting.delete(id);
      if (ok) resolve(found); else reject(new Error(found));
    },
    look: () => write([state, value, lines.stdout, lines.stderr, asked.splice(0)]),
  };
})
"""

Found = TypeVar("Found")


async def run_script(
    script: str,
    functions: Sequence[str],
    call: CallFunction,
    *,
    seconds: float = SCRIPT_SECONDS,
    slice_seconds: float = SLICE_SECONDS,
) -> Ran:
    """Run a script whose `functions` are answered by `call`; returns when it has.

    The script is the body of an async function: `return`, `await` and `Promise.all` work. Raises
    `ToolError` for a script that is too long or takes too long. Cancelling ends the calls at once,
    and computing within `slice_seconds`.
    """
    if len(script) > MAX_SCRIPT:
        raise ToolError(f"the script is longer than {MAX_SCRIPT} characters")
    threads = ThreadPoolExecutor(1, "code-mode")
    run = _Run(threads, functions, call, slice_seconds)
    timeout = asyncio.timeout(seconds)
    try:
        async with timeout:
            return await run.through(script)
    except TimeoutError as exc:
        if not timeout.expired():
            raise
        raise ToolError(f"the script took longer than {seconds:g} seconds and was stopped") from exc
    finally:
        await run.end()
        threads.shutdown(wait=False, cancel_futures=True)


class _Run:
    """One script under way. The engine is used by one thread, and by nothing else."""

    def __init__(
        self,
        threads: ThreadPoolExecutor,
        functions: Sequence[str],
        call: CallFunction,
        slice_seconds: float,
    ) -> None:
        self._threads = threads
        self._functions = functions
        self._call = call
        self._slice_seconds = slice_seconds
        self._tasks: dict[asyncio.Task[tuple[bool, str]], int] = {}
        self._parallel = asyncio.Semaphore(PARALLEL_CALLS)
        self._calls: list[Called] = []

    async def through(self, script: str) -> Ran:
        """From the first line to the result."""
        engine = await self._in_thread(
            lambda: _Engine(script, self._functions, self._slice_seconds)
        )
        settled: list[tuple[int, bool, str]] = []
        while True:
            state, value, out, err, asked = await self._in_thread(partial(engine.step, settled))
            for id, name, arguments in asked:
                self._tasks[asyncio.create_task(self._answer(name, arguments))] = id
            if state == "running" and not self._tasks:
                state, value = "failed", "the script waits for something that never comes"
            if state != "running":
                return Ran(value, state == "failed", out, err, tuple(self._calls))
            done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            settled = [(self._tasks.pop(task), *task.result()) for task in done]

    async def end(self) -> None:
        """End the calls that nobody waits for any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _answer(self, name: str, arguments: JSON) -> tuple[bool, str]:
        if not isinstance(arguments, dict):
            return False, f"{name} takes one object, like {name}({{key: value}})"
        if len(self._calls) >= MAX_CALLS:
            return False, f"one script may make {MAX_CALLS} calls; return what you have"
        given = cast(dict[str, JSON], arguments)
        place = len(self._calls)
        self._calls.append(Called(name, given))
        async with self._parallel:
            found = await self._call(name, given)
        self._calls[place] = found
        return (False, found.error) if found.error is not None else (True, found.result or "")

    async def _in_thread(self, work: Callable[[], Found]) -> Found:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


class _Engine:
    """One engine with a script in it; all of it in one thread."""

    def __init__(self, script: str, functions: Sequence[str], slice_seconds: float) -> None:
        import quickjs  # pyright: ignore[reportMissingTypeStubs] - it has none

        library = cast(Any, quickjs)
        self._errors = (library.JSException, library.StackOverflow)
        self._context = library.Context()
        self._context.set_memory_limit(MEMORY)
        self._context.set_max_stack_size(STACK)
        self._context.set_time_limit(slice_seconds)
        make = self._context.eval(_PRELUDE)
        self._host = make(
            self._context.parse_json(json.dumps(list(functions))),
            self._context.parse_json(json.dumps(aliases(functions))),
            MAX_RESULT,
        )
        self._problem = ""
        self._settle = self._context.eval("(host) => host.settle")(self._host)
        self._look = self._context.eval("(host) => host.look")(self._host)
        try:
            main = self._context.eval(f"(async () => {{\n{script}\n}})")
            self._context.eval("(host, main) => host.start(main)")(self._host, main)
        except self._errors as exc:
            self._problem = _first_lines(exc)

    def step(
        self, settled: Sequence[tuple[int, bool, str]]
    ) -> tuple[str, str, str, str, list[tuple[int, str, JSON]]]:
        """Tell the script what its calls came to, and let it go on until it waits again."""
        try:
            for id, ok, text in settled:
                self._settle(id, ok, text)
            while not self._problem and self._context.execute_pending_job():
                pass
            seen = json.loads(self._look())
        except self._errors as exc:
            return "failed", self._problem or _first_lines(exc), "", "", []
        except RecursionError:
            seen = None
        if seen is None or is_too_deep(seen):
            return "failed", f"the arguments of a call are {TOO_DEEP}", "", "", []
        state, value, out, err, asked = _whole(seen)
        if self._problem:
            return "failed", self._problem, out, err, []
        return state, value, out, err, [(id, name, given) for id, name, given in asked]


def aliases(functions: Sequence[str]) -> list[str]:
    """What each function is called in JavaScript: its name, with `_` for what no name may hold."""
    return [name.replace("-", "_") for name in functions]


def _whole(value: JSON) -> JSON:
    """A value whose texts UTF-8 can carry: a script may cut a character in half."""
    match value:
        case str():
            return value if value.isascii() else value.encode("utf-8", "replace").decode()
        case list():
            return [_whole(each) for each in cast(list[JSON], value)]
        case dict():
            return {_whole(key): _whole(each) for key, each in cast(dict[str, JSON], value).items()}
        case _:
            return value


def _first_lines(exc: Exception) -> str:
    """What an engine says of an error, in a few lines."""
    lines = str(exc).strip().splitlines()
    text = "\n".join(lines[:4])
    if "interrupted" in text:
        text = f"the script computed for more than {SLICE_SECONDS:g} seconds without a pause"
    return text
