"""Code mode: one tool that runs a script, in place of many tools; the script calls them as
functions. Source: runtime.md §15.

Every call of a script goes the way of any other call: permission, hooks, limits.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, cast

import msgspec

from docker_agent.errors import ToolError
from docker_agent.messages import JSON, ToolCall, ToolList, ToolResult, ToolSpec
from docker_agent.runtime.toolbox import Gathered, Merged
from docker_agent.tools.port import READY, Around, CallContext, Called, RunScript, Scope, Status

if TYPE_CHECKING:
    from docker_agent.runtime.strand import Strand

NAME = "run_tools_with_javascript"
SECONDS = 60.0
"""How long one script may take, its calls included."""

DIRECT = frozenset({"runtime", "todo", "deferred", "skills"})
"""Categories of tools that stay tools: runs of their own, and what only a model can want."""

REMEMBERED = 16

FAILED = ("Error calling tool:", "Tool '", "The tool call was")
"""How answers begin that no tool gave: to a script they are exceptions."""

Answer = Callable[["Strand", Gathered, ToolCall], Awaitable[tuple[ToolResult, str | None]]]
"""Answers one call of a strand, and says why the run must end if a hook says so."""

_RULES = """\
Run a JavaScript script that calls tools. The script is the body of an async function:
- each tool is a function that takes one object and returns a promise of text: \
`const text = await read_file({path: "a.txt"})`; parse it with JSON.parse where it is JSON
- group calls in one script; independent ones with `await Promise.all([...])`
- `return` the text you want to see; `console.log` shows more of what happened
- a call that fails throws; catch it to go on
- there is no network, no file system and no module but these functions

Functions:
"""


class CodeMode:
    """What an agent in code mode shares among its runs: the engine, and listings written once."""

    def __init__(self, run_script: RunScript, seconds: float = SECONDS) -> None:
        self.run_script = run_script
        self.seconds = seconds
        self._folded: dict[int, tuple[Merged, Merged, Merged]] = {}

    def fold(self, strand: Strand, tools: Gathered, answer: Answer) -> Gathered:
        """The same tools behind the one that runs scripts; those that stay stand beside it."""
        inner, outer = self._listings(tools.merged, len(tools.toolsets))
        if not inner.list:
            return tools
        runner = Scripts(strand, Gathered(inner, tools.toolsets), self, answer)
        return Gathered(outer, (*tools.toolsets, runner))

    def _listings(self, merged: Merged, place: int) -> tuple[Merged, Merged]:
        """What scripts may call, and what the model sees, with the runner's toolset at `place`."""
        known = self._folded.get(id(merged))
        if known is None:
            if len(self._folded) >= REMEMBERED:
                del self._folded[next(iter(self._folded))]
            inside = [spec for spec in merged.list.specs if spec.category not in DIRECT]
            beside = [spec for spec in merged.list.specs if spec.category in DIRECT]
            owner = {spec.name: merged.owner[spec.name] for spec in beside}
            inner = Merged(ToolList(inside), merged.owner)
            outer = Merged(
                ToolList([*beside, runner_spec(inside)]),
                {**owner, NAME: place},
                merged.instructions,
            )
            known = self._folded[id(merged)] = (merged, inner, outer)
        return known[1], known[2]


class Scripts:
    """The toolset of one strand in code mode."""

    name = "code mode"
    scope: Scope = "run"
    status: Status = READY

    def __init__(self, strand: Strand, tools: Gathered, mode: CodeMode, answer: Answer) -> None:
        self._strand = strand
        self._tools = tools
        self._mode = mode
        self._answer = answer

    async def tools(self, around: Around) -> ToolList:
        return self._tools.list

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        script = arguments.get("script")
        if not isinstance(script, str) or not script.strip():
            raise ToolError('argument `script` is missing; expected JSON: {"script": "return 1"}')
        numbers = itertools.count(1)
        ends: list[str] = []
        models: list[str] = []

        async def answer(name: str, given: dict[str, JSON]) -> Called:
            spec = self._tools.list.by_name[name]
            given = without_nulls(spec, given)
            call = ToolCall(
                f"{context.call_id}_{next(numbers)}", name, msgspec.json.encode(given).decode()
            )
            if ends:
                return Called(name, given, error="The run is ending; no further tool is called.")
            result, end = await self._answer(self._strand, self._tools, call)
            if end is not None:
                ends.append(end)
            if result.next_model is not None:
                models.append(result.next_model)
            if result.is_error and result.text.startswith(FAILED):
                return Called(name, given, error=result.text)
            return Called(name, given, result=result.text)

        seconds = max(0.0, min(self._mode.seconds, context.remaining()))
        names = [spec.name for spec in self._tools.list.specs]
        ran = await self._mode.run_script(script, names, answer, seconds=seconds)
        if ends:
            self._strand.script_end = ends[0]
        shown: dict[str, JSON] = {"value": ran.value, "stdout": ran.stdout, "stderr": ran.stderr}
        if ran.failed:
            shown["tool_calls"] = ran.calls
        return ToolResult(
            msgspec.json.encode(shown).decode(),
            is_error=ran.failed,
            next_model=models[0] if models else None,
        )


def without_nulls(spec: ToolSpec, given: dict[str, JSON]) -> dict[str, JSON]:
    """Arguments without those that a script left null and the tool does not need."""
    needed = cast(Sequence[str], spec.parameters.get("required") or ())
    return {key: value for key, value in given.items() if value is not None or key in needed}


def runner_spec(specs: Sequence[ToolSpec]) -> ToolSpec:
    """The tool that runs scripts which may call `specs`."""
    return ToolSpec(
        NAME,
        _RULES + "\n".join(map(documented, specs)),
        {
            "type": "object",
            "properties": {
                "script": {"type": "string", "description": "The body of an async function."}
            },
            "required": ["script"],
        },
        harmless=True,
        title="Script",
        category="code mode",
        keeps_time=True,
    )


def documented(spec: ToolSpec) -> str:
    """One tool as a documented function."""
    words = " ".join(spec.description.split()).replace("*/", "* /")
    lines = [f" * {words}"] if words else []
    needed = cast(Sequence[str], spec.parameters.get("required") or ())
    for key, schema in cast(dict[str, JSON], spec.parameters.get("properties") or {}).items():
        name = f"args.{key}" if key in needed else f"[args.{key}]"
        told = str(cast(dict[str, JSON], schema).get("description") or "").replace("*/", "* /")
        lines.append(f" * @param {{{type_of(schema)}}} {name} {' '.join(told.split())}".rstrip())
    returned = "Promise<string>"
    if spec.output_schema:
        returned += f" JSON: {json.dumps(spec.output_schema)}".replace("*/", "* /")
    lines.append(f" * @returns {returned}")
    name = spec.name.replace("-", "_")
    return "\n".join(["/**", *lines, " */", f"function {name}(args)", ""])


def type_of(schema: JSON) -> str:
    """A schema as JSDoc writes types: `string[]`, `"a"|"b"`, `{x: number}`."""
    if not isinstance(schema, dict):
        return "any"
    known = cast(dict[str, JSON], schema)
    if choices := known.get("enum"):
        return "|".join(json.dumps(each) for each in cast(list[JSON], choices))
    kind = known.get("type")
    if isinstance(kind, list):
        return "|".join(str(each) for each in cast(list[JSON], kind))
    if kind == "array":
        inside = type_of(known.get("items"))
        return f"{inside}[]" if inside.isidentifier() else f"Array<{inside}>"
    properties = cast(dict[str, JSON], known.get("properties") or {})
    if kind == "object" and properties:
        fields = (f"{key}: {type_of(each)}" for key, each in properties.items())
        return f"{{{', '.join(fields)}}}"
    return {"integer": "number", None: "any"}.get(kind, str(kind))
