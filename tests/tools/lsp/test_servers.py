"""Language servers as child processes: started, spoken with, ended, however they behave. Source:
runtime.md §8.7, §9.22, §10.2."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from docker_agent.errors import ToolError
from docker_agent.messages import JSON
from docker_agent.tools.lsp.toolset import Lsp
from tests.requirements import requirement
from tests.tools.lsp.opening import LIMIT, QUICK, heard, names, opened, scripted, text
from tests.tools.mcp.opening import alive
from tests.tools.surroundings import around, context

pytestmark = pytest.mark.anyio

HOVER, OUTLINE = "textDocument/hover", "textDocument/documentSymbol"
ANSWERS: dict[str, JSON] = {HOVER: {"contents": "known"}}


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A file to ask about."""
    path = tmp_path / "a.py"
    path.write_text("old\n")
    return str(path)


async def hover(toolset: Lsp, file: str) -> str:
    """What is known of its first word."""
    return await text(toolset, "hover", file=file, line=1, character=1)


async def until(true: Callable[[], bool]) -> None:
    """Wait, with a bound."""
    with anyio.fail_after(LIMIT):
        while not true():
            await anyio.lowlevel.checkpoint()


@requirement("lsp:crash")
async def test_a_crash_fails_the_call_and_the_next_one_finds_a_new_server(
    tmp_path: Path, file: str
) -> None:
    """§8.7: started again; what it had open is shown to it anew."""
    starts, notes = tmp_path / "starts", tmp_path / "notes"
    keys = scripted(answers=ANSWERS, crash_at=OUTLINE, starts=str(starts), notes=str(notes))
    async with opened(tmp_path, lifecycle=QUICK, **keys) as toolset:
        listing = await toolset.tools(around())
        assert await hover(toolset, file) == "known"
        with pytest.raises(ToolError, match="ended during the call"):
            await text(toolset, "document_symbols", file=file)
        assert await toolset.tools(around()) is listing
        assert await hover(toolset, file) == "known"
        assert await toolset.tools(around()) is listing
        assert starts.read_text().count("started") == 2
        assert len(heard(notes, "textDocument/didOpen")) == 2


@requirement("lsp:crash")
async def test_a_server_that_is_never_restarted_stays_down(tmp_path: Path, file: str) -> None:
    """§8.7: `restart: never`."""
    keys = scripted(crash_at=OUTLINE)
    async with opened(tmp_path, lifecycle={"restart": "never"}, **keys) as toolset:
        with pytest.raises(ToolError):
            await text(toolset, "document_symbols", file=file)
        with pytest.raises(ToolError, match="is not there: it ended and stays so"):
            await hover(toolset, file)
        assert toolset.status.state == "failed"


@requirement("lsp:start")
async def test_what_keeps_a_server_from_starting_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """§10.2, agent-file.md §2.9: a missing command, a missing folder, its last words; nothing of a
    file from elsewhere is started."""
    cases: list[tuple[dict[str, Any], str]] = [
        ({"command": "no-such-server"}, "'no-such-server' was not found"),
        (scripted(exit=3), "exit status 3"),
        ({**scripted(), "working_dir": "none"}, "does not exist"),
        ({**scripted(), "args": ["${NOT_THERE}"]}, "NOT_THERE not set"),
        ({**scripted(), "trusted": False}, "not on this machine"),
        ({"command": "true"}, "exit status 0"),
    ]
    for keys, wanted in cases:
        async with opened(tmp_path, **keys) as toolset:
            with pytest.raises(ToolError, match=wanted):
                await toolset.tools(around())
            await until(lambda found=toolset: found.status.state == "failed")
    assert "cannot start: no configuration" in caplog.text


@requirement("lsp:timeout", "lsp:cancel")
async def test_a_call_ends_at_its_timeout_and_is_cancelled_at_the_server(
    tmp_path: Path, file: str
) -> None:
    """§8.7: `call_timeout`; the server goes on."""
    notes, starts = tmp_path / "notes", tmp_path / "starts"
    keys = scripted(answers=ANSWERS, silent=[OUTLINE], notes=str(notes), starts=str(starts))
    async with opened(tmp_path, lifecycle={"call_timeout": "300ms"}, **keys) as toolset:
        for _ in range(4):
            with pytest.raises(ToolError, match=r"took longer than 0\.3 seconds"):
                await text(toolset, "document_symbols", file=file)
            assert await hover(toolset, file) == "known"
        assert len(heard(notes, "$/cancelRequest")) == 4
        assert starts.read_text().count("started") == 1


@requirement("lsp:cancel")
async def test_a_cancelled_call_returns_at_once_and_the_server_is_told(
    tmp_path: Path, file: str
) -> None:
    """§3.8: a client that leaves."""
    notes = tmp_path / "notes"
    keys = scripted(answers=ANSWERS, silent=[OUTLINE], notes=str(notes))
    async with opened(tmp_path, **keys) as toolset:
        task = asyncio.create_task(text(toolset, "document_symbols", file=file))
        await until(lambda: bool(heard(notes, OUTLINE)))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            async with asyncio.timeout(2):
                await task
        assert await hover(toolset, file) == "known"
        await until(lambda: len(heard(notes, "$/cancelRequest")) == 1)


@requirement("lsp:stuck")
async def test_a_server_that_hangs_is_started_anew(tmp_path: Path, file: str) -> None:
    """Calls in a row that went by without any word of it, also when it reads nothing any more."""
    starts = tmp_path / "starts"
    keys = scripted(answers=ANSWERS, deaf_at=OUTLINE, silent=[OUTLINE], starts=str(starts))
    lifecycle: dict[str, JSON] = {**QUICK, "call_timeout": "2s"}
    async with opened(tmp_path, lifecycle=lifecycle, **keys) as toolset:
        await names(toolset)
        quick = [
            asyncio.create_task(text(toolset, "document_symbols", file=file)) for _ in range(3)
        ]
        with anyio.fail_after(LIMIT):
            done, _ = await asyncio.wait(quick)
        assert all(isinstance(task.exception(), ToolError) for task in done)
        assert await hover(toolset, file) == "known"
        assert starts.read_text().count("started") == 2


@requirement("lsp:malformed")
@pytest.mark.parametrize("kind", ["garbage", "flood"])
async def test_what_is_no_message_ends_the_server_and_not_us(
    tmp_path: Path, file: str, kind: str
) -> None:
    """Endless output, and a message without end."""
    keys = scripted(answers=ANSWERS, **{kind: OUTLINE})
    async with opened(tmp_path, lifecycle=QUICK, **keys) as toolset:
        with pytest.raises(ToolError, match="ended during the call"):
            await text(toolset, "document_symbols", file=file)
        assert await hover(toolset, file) == "known"


@requirement("lsp:malformed", "lsp:frames")
async def test_chatter_large_answers_and_wrong_ones_do_no_harm(tmp_path: Path, file: str) -> None:
    """Wrappers print to stdout; an answer of some megabytes is cut; one that does not fit is
    told."""
    keys = scripted(
        answers={OUTLINE: [{"name": 7}], "textDocument/definition": {"uri": 1}},
        huge={HOVER: 5_000_000},
        chatty=True,
    )
    async with opened(tmp_path, **keys) as toolset:
        assert "the answer has 5000000 characters" in await hover(toolset, file)
        for tool in ("document_symbols", "definition"):
            with pytest.raises(ToolError, match="answer cannot be read"):
                await text(toolset, tool, file=file, line=1, character=1)


@requirement("lsp:malformed")
async def test_an_error_of_the_server_is_quoted_and_one_for_now_is_asked_again(
    tmp_path: Path, file: str
) -> None:
    """3.17: `ContentModified` and `ServerCancelled` are no answers."""
    later = {"error": {"code": -32801, "message": "modified"}, "errors": 2, "then": ANSWERS[HOVER]}
    broken = {"error": {"code": -32603, "message": "it broke\n inside"}}
    async with opened(tmp_path, **scripted(answers={HOVER: later, OUTLINE: broken})) as toolset:
        assert await hover(toolset, file) == "known"
        with pytest.raises(ToolError, match="refused: it broke inside"):
            await text(toolset, "document_symbols", file=file)


ASKED: list[tuple[str, JSON, JSON]] = [
    ("workspace/configuration", {"items": [{}, {}]}, [None, None]),
    ("window/showDocument", {"uri": "http://x"}, {"success": False}),
    ("what/is/this", {}, {"code": -32601, "message": "what/is/this is not known here"}),
    ("workspace/workspaceFolders", {}, "folders"),
    (
        "workspace/configuration",
        {"items": 5},
        {"code": -32602, "message": "Expected `array`, got `int` - at `$.items`"},
    ),
]


@requirement("lsp:malformed")
@pytest.mark.parametrize(("method", "params", "wanted"), ASKED)
async def test_what_a_server_asks_back_is_answered(
    tmp_path: Path, file: str, method: str, params: JSON, wanted: JSON
) -> None:
    """3.17: requests of servers."""
    notes = tmp_path / "notes"
    asks = {HOVER: {"method": method, "params": params}}
    async with opened(tmp_path, **scripted(asks=asks, notes=str(notes))) as toolset:
        await hover(toolset, file)
        (answered,) = heard(notes, "answered")
        if wanted == "folders":
            wanted = [{"uri": tmp_path.as_uri(), "name": tmp_path.name}]
        assert answered == wanted


@requirement("lsp:environment")
async def test_a_server_sees_no_secrets_and_the_files_own_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """§10.2: the host's environment without credentials, then the file's `env`, which wins."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("PLACE", "host")
    (tmp_path / "inside").mkdir()
    child = tmp_path / "pids"
    keys: dict[str, Any] = {
        **scripted(child=str(child)),
        "env": {"PLACE": "file", "GIVEN": "${env.MINE}"},
        "working_dir": "inside",
    }
    async with opened(tmp_path, secrets={"MINE": "t1"}, **keys) as toolset:
        await names(toolset)
        pid = child.read_text().split()[0]
        environ = await anyio.Path(f"/proc/{pid}/environ").read_text()
        seen = environ.split("\0")
        assert {"PLACE=file", "GIVEN=t1"} <= set(seen)
        assert not any(each.startswith("OPENAI_API_KEY=") for each in seen)
        assert await anyio.Path(f"/proc/{pid}/cwd").readlink() == tmp_path / "inside"
        assert os.getpgid(int(pid)) == int(pid)


@requirement("lsp:stop")
@pytest.mark.parametrize("stubborn", [False, True])
async def test_a_server_and_its_children_are_gone_within_two_seconds(
    tmp_path: Path, stubborn: bool
) -> None:
    """§10.2: whatever it does with `shutdown`, the end of stdin and SIGTERM."""
    child = tmp_path / "pids"
    keys = scripted(stubborn=stubborn, child=str(child), silent=["shutdown"] * stubborn)
    async with opened(tmp_path, **keys) as toolset:
        await names(toolset)
        pids = [int(pid) for pid in child.read_text().split()]
        assert len(pids) == 2 and all(map(alive, pids))
        with anyio.fail_after(2.5):
            await toolset.life.close()
            while any(map(alive, pids)):
                await anyio.lowlevel.checkpoint()


@requirement("lsp:users")
async def test_calls_at_once_get_each_their_own_answer(tmp_path: Path) -> None:
    """§1.3: one server for all; a call that fails or is cancelled does not touch another's."""
    files = [tmp_path / f"f{number}.py" for number in range(20)]
    for path in files:
        path.write_text("x\n")
    at: dict[str, JSON] = {"line": 1, "character": 1}
    span = {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 1}}
    answers = {"textDocument/definition": {"uri": "{uri}", "range": span}}
    async with opened(tmp_path, **scripted(answers=answers, silent=[HOVER])) as toolset:
        lost = asyncio.create_task(hover(toolset, str(files[0])))
        calls = [text(toolset, "definition", file=str(path), **at) for path in files]
        said = asyncio.gather(*calls)
        with pytest.raises(ToolError, match="no line 9"):
            await toolset.call(
                "lsp_definition", {"file": str(files[0]), "line": 9, "character": 1}, context()
            )
        lost.cancel()
        assert await said == [f"{path}:1:1: x" for path in files]
