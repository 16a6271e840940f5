"""Plain functions as tools: what models are told of them, and what they answer."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import anyio
import anyio.lowlevel
import msgspec
import pytest

from docker_agent.env.chain import Values
from docker_agent.errors import ConfigError, ToolError
from docker_agent.messages import ToolResult
from docker_agent.tools.port import CallContext, Draft, Toolset
from docker_agent.tools.python import MAX_THREADS, PythonTools, functions_of
from docker_agent.tools.python_function import PythonTool, hints
from docker_agent.tools.table import TOOLSETS, Opening
from tests.config.reading import tree
from tests.conftest import Serve
from tests.harness import agent_yaml
from tests.requirements import requirement
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import call, say
from tests.tools.surroundings import around, context

pytestmark = pytest.mark.anyio


class Place(msgspec.Struct):
    """Somewhere."""

    city: str
    zip: int = 0


def plan(
    where: Place,
    days: int,
    kind: Literal["city", "beach"] = "city",
    *,
    with_: Annotated[list[str], "Who comes along."] = [],  # noqa: B006 - as people write it
    note: str | None = None,
) -> dict[str, Any]:
    """Plan a journey.

    In words and days.

    Args:
        where: The destination.
        days (int): How long it lasts.
    Returns:
        The plan.
    """
    return {"where": where, "days": days, "kind": kind, "with": with_, "note": note}


@requirement("python:tools")
def test_a_function_tells_models_what_it_takes() -> None:
    """The issue's words: JSON schema from hints and docstring."""
    spec = PythonTool(plan).spec
    assert spec.name == "plan"
    assert spec.description == "Plan a journey.\n\nIn words and days.\n\nReturns:\n    The plan."
    assert spec.parameters["required"] == ["where", "days"]
    properties = spec.parameters["properties"]
    assert properties["where"]["properties"]["zip"] == {"type": "integer", "default": 0}
    assert properties["where"]["description"] == "The destination."
    assert properties["days"] == {"type": "integer", "description": "How long it lasts."}
    assert properties["kind"] == {"enum": ["beach", "city"], "default": "city"}
    assert properties["with_"]["description"] == "Who comes along."
    assert properties["with_"]["items"] == {"type": "string"}


async def told(function: Callable[..., object], **arguments: object) -> ToolResult:
    """What one call answers."""
    toolset = PythonTools([function])
    (spec,) = (await toolset.tools(around())).specs
    with anyio.fail_after(20):
        return await toolset.call(spec.name, arguments, context())


@requirement("python:tools")
async def test_arguments_arrive_as_their_types() -> None:
    """runtime.md §5.4: slips of models are repaired; what is left out keeps its default."""
    found = await told(plan, where={"city": "Rome"}, days="3", with_="Ann")
    assert msgspec.json.decode(found.text) == {
        "where": {"city": "Rome", "zip": 0},
        "days": 3,
        "kind": "city",
        "with": ["Ann"],
        "note": None,
    }
    with pytest.raises(ToolError, match=r"argument `days` is missing; expected \(required\)"):
        await told(plan, where={"city": "Rome"})


@requirement("python:tools")
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("words", "words"),
        (None, ""),
        (3, "3"),
        (True, "true"),
        ([1, {"a": None}], '[1,{"a":null}]'),
        (Path("/x"), '"/x"'),
        (ToolResult("own", is_error=True), "own"),
    ],
)
async def test_what_a_function_returns_is_the_answer(value: object, text: str) -> None:
    """Text as it is, nothing as nothing, anything else as JSON; sync and async alike."""

    def now() -> object:
        return value

    async def later() -> object:
        await anyio.lowlevel.checkpoint()
        return value

    assert (await told(now)).text == (await told(later)).text == text


@requirement("python:tools")
async def test_sync_functions_run_beside_the_server() -> None:
    """DESIGN.md §6: blocking work goes to a thread."""

    def where() -> str:
        return threading.current_thread().name

    async def here() -> str:
        return threading.current_thread().name

    assert (await told(where)).text != threading.current_thread().name
    assert (await told(here)).text == threading.current_thread().name


@requirement("python:tools")
async def test_a_function_may_ask_who_calls() -> None:
    """tools/port.py: the parameter annotated with CallContext; state is the conversation's."""

    def count(by: int, around: CallContext) -> int:
        number = int(around.state.get("count") or b"0") + by
        around.state.put("count", str(number).encode())
        return number

    toolset = PythonTools([count])
    assert [*PythonTool(count).spec.parameters["properties"]] == ["by"]
    mine, yours = Draft(), Draft()
    answers = [
        (await toolset.call("count", {"by": 2}, context(state))).text
        for state in (mine, mine, yours)
    ]
    assert answers == ["2", "4", "2"]


@requirement("python:tools")
def test_a_function_may_say_more_of_itself() -> None:
    """runtime.md §6.4: hints decide about calls; without them a call is of unknown effect."""

    @hints(name="look-up", read_only=True)
    def look_up() -> None:
        """Look."""

    spec = PythonTool(look_up).spec
    assert (spec.name, spec.read_only, spec.description) == ("look-up", True, "Look.")
    assert not PythonTool(plan).spec.read_only


def starred(*words: str) -> None:
    """Takes any number."""


def positional(word: str, /) -> None:
    """Has no names."""


def odd(word: threading.Thread) -> None:
    """Takes what JSON cannot say."""


@requirement("python:tools")
@pytest.mark.parametrize(
    ("function", "words"),
    [
        (starred, "'*words: 'str'' has no name of its own"),
        (positional, "has no name of its own"),
        (odd, "a type hint cannot be told to a model"),
        (lambda: None, "'<lambda>' is no name for a tool"),
    ],
)
def test_what_no_model_could_call_is_refused(function: Callable[..., object], words: str) -> None:
    """DESIGN.md §8: at the start, with words that help."""
    with pytest.raises(ConfigError) as refused:
        PythonTools([function])
    assert words in str(refused.value)


@requirement("python:bounds")
async def test_what_a_function_raises_is_told_to_the_model(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """runtime.md §5.3: the error's text; the log has the traceback."""

    def broken(text: str) -> None:
        raise ValueError(f"no {text}")

    async def refusing() -> None:
        raise ToolError("ask somebody else")

    with pytest.raises(ToolError, match=r"^ValueError: no luck$"):
        await told(broken, text="luck")
    assert "broken() failed" in caplog.text and "Traceback" in caplog.text
    with pytest.raises(ToolError, match=r"^ask somebody else$"):
        await told(refusing)


@requirement("python:bounds")
async def test_a_function_cannot_end_the_server_or_the_run() -> None:
    """What it raises is an error of its call, whatever it is."""

    def quits() -> None:
        sys.exit(3)

    async def leaves() -> None:
        raise SystemExit("bye")

    async def gives_up() -> None:
        raise asyncio.CancelledError

    def runs_out() -> None:
        next(iter(()))

    for function, text in (
        (quits, "SystemExit: 3"),
        (leaves, "SystemExit: bye"),
        (gives_up, "cancelled from inside"),
        (runs_out, "RuntimeError: StopIteration"),
    ):
        with pytest.raises(ToolError, match=text):
            await told(function)


@requirement("python:bounds")
async def test_functions_that_hang_do_not_grow_without_bound() -> None:
    """One that cannot be stopped counts until it ends; its thread keeps nothing from ending."""
    release = threading.Event()
    running: list[bool] = []

    def blocks() -> None:
        running.append(threading.current_thread().daemon)
        release.wait(30)

    toolset = PythonTools([blocks], timeout=0.05)
    try:
        for _ in range(MAX_THREADS + 3):
            with pytest.raises(ToolError, match="took longer"):
                await toolset.call("blocks", {}, context())
        assert running == [True] * MAX_THREADS
    finally:
        release.set()


@requirement("python:bounds")
async def test_a_function_that_takes_too_long_is_left() -> None:
    """Each call has a timeout; an async function is cancelled, a sync one left behind."""
    ended, release = anyio.Event(), threading.Event()

    async def waits() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()

    def blocks() -> None:
        release.wait(30)

    toolset = PythonTools([waits, blocks], timeout=0.05)
    try:
        for name in ("waits", "blocks"):
            with pytest.raises(ToolError, match=r"took longer than 0\.05 seconds"):
                await toolset.call(name, {}, context())
    finally:
        release.set()
    assert ended.is_set()


def written(folder: Path, text: str, name: str = "tools.py") -> Path:
    """A Python file beside an agent file."""
    (folder / name).write_text(text)
    return folder


MODULE = """
from pathlib import Path
def one() -> str: return "1"
def two() -> str: return "2"
def _hidden() -> str: return ""
some = [two]
class Box:
    def three(self) -> str: return "3"
box = Box()
"""


@requirement("python:tools")
@pytest.mark.parametrize(
    ("ref", "names"),
    [
        ("./tools.py", ["one", "two"]),
        ("tools.py:one", ["one"]),
        ("tools.py:some", ["two"]),
        ("tools.py:box.three", ["three"]),
        ("tools_of_test:one", ["one"]),
        ("json:dumps", ["dumps"]),
    ],
)
def test_a_reference_names_a_function_a_list_or_a_module(
    tmp_path: Path, ref: str, names: list[str]
) -> None:
    """`package.module:object`, or a path beside the agent file."""
    written(written(tmp_path, MODULE), MODULE, "tools_of_test.py")
    found = functions_of(ref, tmp_path)
    assert [getattr(function, "__name__", "") for function in found] == names


@requirement("python:tools", "python:trust")
@pytest.mark.parametrize(
    ("ref", "words"),
    [
        ("../tools.py", "leads out of the agent file's folder"),
        ("/etc/tools.py", "leads out of the agent file's folder"),
        ("nope.py", "there is no file"),
        ("tools.py:nope", "has no 'nope'"),
        ("tools.py:Path", "holds no functions"),
        ("no such module:x", "is no module"),
        ("nowhere_at_all:x", "importing nowhere_at_all failed: ModuleNotFoundError"),
        ("broken.py", "importing broken.py failed: ZeroDivisionError"),
        ("exits.py", "importing exits.py failed: SystemExit"),
    ],
)
def test_a_reference_that_cannot_be_used_is_explained(tmp_path: Path, ref: str, words: str) -> None:
    """DESIGN.md §8: the start says what is wrong; a bad file ends nothing else."""
    written(written(written(tmp_path, MODULE), "1 / 0", "broken.py"), "exit(3)", "exits.py")
    with pytest.raises(ConfigError) as refused:
        functions_of(ref, tmp_path)
    assert words in str(refused.value)


async def opened(folder: Path, ref: str, *, trusted: bool = True) -> Toolset:
    """The toolset as an agent file opens it."""
    opening = Opening(folder, Values({}), trusted=trusted, config_dir=folder)
    async with TOOLSETS["python"](tree(f"ref: {ref}"), opening) as toolset:
        return toolset


@requirement("python:trust")
async def test_a_file_from_elsewhere_runs_nothing_here(tmp_path: Path) -> None:
    """chat-server.md §6: neither a file of its own nor a module that happens to be there."""
    written(tmp_path, "raise SystemExit('ran')")
    for ref in ("tools.py", "os:system"):
        with pytest.raises(ConfigError, match="python tools run inside the server"):
            await opened(tmp_path, ref, trusted=False)
    with pytest.raises(ConfigError, match=r"ref: there is no file"):
        await opened(tmp_path, "other.py")


@requirement("python:tools")
async def test_a_file_is_read_anew_with_each_load(tmp_path: Path) -> None:
    """DESIGN.md §8: SIGHUP reloads agent files, and what they name beside them."""
    for text in ("old", "new, and longer"):
        written(tmp_path, f"def say() -> str: return {text!r}")
        toolset = await opened(tmp_path, "tools.py:say")
        assert (await toolset.call("say", {}, context())).text == text


@requirement("python:tools")
def test_an_agent_calls_a_function_of_a_file(
    scripted: Scripted, serve: Serve, model: Model, tmp_path: Path
) -> None:
    """From outside: the function's answer reaches the model, its error too."""
    written(tmp_path, "def half(n: int) -> float:\n    return n / 2\n")
    toolset = {"type": "python", "ref": "tools.py:half"}
    file = tmp_path / "agent.yaml"
    file.write_text(
        agent_yaml(scripted.url, {"root": {"model": model.name, "toolsets": [toolset]}})
    )
    model.script(
        call("half", {"n": 3}, id="c1", index=0) + call("half", {"n": "x"}, id="c2", index=1),
        say("ok"),
    )
    assert serve(file).client().chat("go").content == "ok"
    first, second = (m["content"] for m in model.heard[1].messages if m["role"] == "tool")
    assert first == "1.5"
    assert second.startswith("Error calling tool: argument `n`: Expected `int`")
