"""What a language server has changed, and what it must not. Source: runtime.md §9.22, §9.1."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from docker_agent.errors import ConfigError, ToolError
from docker_agent.messages import JSON
from docker_agent.tools.lsp.toolset import Lsp
from tests.requirements import requirement
from tests.tools.lsp.opening import LIMIT, heard, opened, scripted, text
from tests.tools.lsp.test_tools import span
from tests.tools.surroundings import context

pytestmark = pytest.mark.anyio


def replacing(line: int, first: int, last: int, new: str) -> dict[str, JSON]:
    """An edit."""
    return {"range": span(line, first, last), "newText": new}


async def rename(toolset: Lsp, file: Path, new: str = "new") -> str:
    """What renaming the first word of a file comes to."""
    return await text(toolset, "rename", file=str(file), line=1, character=1, new_name=new)


@requirement("lsp:rename", "lsp:fresh")
async def test_a_renaming_changes_all_files_as_they_are_on_disk(tmp_path: Path) -> None:
    """Files that were not open are opened, and the server is asked once more; line ends, marks,
    modes stay."""
    first, second, notes = tmp_path / "a.py", tmp_path / "b.py", tmp_path / "notes"
    first.write_bytes("\ufeffold = '😀'; old\r\nrest\r\n".encode())
    second.write_text("import old\n")
    second.chmod(0o640)
    edits = {
        "changes": {
            "{folder}/a.py": [replacing(0, 0, 3, "new"), replacing(0, 12, 15, "new")],
            "{folder}/b.py": [replacing(0, 7, 10, "new")],
        }
    }
    keys = scripted(answers={"textDocument/rename": edits}, notes=str(notes))
    async with opened(tmp_path, **keys) as toolset:
        said = await rename(toolset, first)
        assert said == f"Renamed in 2 files:\n- {first} (2 edits)\n- {second} (1 edit)"
        assert first.read_bytes() == "\ufeffnew = '😀'; new\r\nrest\r\n".encode()
        assert second.read_text() == "import new\n"
        assert second.stat().st_mode & 0o777 == 0o640
        await text(toolset, "document_symbols", file=str(second))
        assert [each["newName"] for each in heard(notes, "textDocument/rename")] == ["new", "new"]
        changed = [
            each["contentChanges"][0]["text"] for each in heard(notes, "textDocument/didChange")
        ]
        assert changed == ["new = '😀'; new\r\nrest\r\n", "import new\n"]
        with pytest.raises(ToolError, match="`new_name` is empty"):
            await rename(toolset, first, " ")


@requirement("lsp:rename")
async def test_a_file_that_is_another_by_now_is_not_changed_and_neither_are_the_others(
    tmp_path: Path,
) -> None:
    """Nothing is written over what somebody else has just written."""
    first, second = tmp_path / "a.py", tmp_path / "b.py"
    first.write_text("old\n")
    second.write_text("old\n")
    edit = [replacing(0, 0, 3, "new")]
    answer = {"changes": {"{folder}/a.py": edit, "{folder}/b.py": edit}}
    sign = tmp_path / "sign"
    notes = tmp_path / "notes"
    keys = scripted(
        answers={"textDocument/rename": answer},
        notes=str(notes),
        held={"textDocument/rename": [1, str(sign)]},
    )
    async with opened(tmp_path, **keys) as toolset:
        task = asyncio.create_task(rename(toolset, first))
        with anyio.fail_after(LIMIT):
            while len(heard(notes, "textDocument/rename")) < 2:
                await anyio.lowlevel.checkpoint()
        second.write_text("somebody else's\n")
        sign.touch()
        with pytest.raises(ToolError, match=r"b\.py was changed meanwhile; nothing was changed"):
            await task
        assert (first.read_text(), second.read_text()) == ("old\n", "somebody else's\n")


@requirement("lsp:rename")
async def test_an_edit_waits_for_whoever_writes_the_file(tmp_path: Path) -> None:
    """§5.2: writes of one path come one after the other, with those of the filesystem tools too."""
    file = tmp_path / "a.py"
    file.write_text("old\n")
    answer = {"changes": {"{uri}": [replacing(0, 0, 3, "new")]}}
    async with opened(tmp_path, **scripted(answers={"textDocument/rename": answer})) as toolset:
        async with toolset.locks.hold(str(file)):
            task = asyncio.create_task(rename(toolset, file))
            done, _ = await asyncio.wait({task}, timeout=0.3)
            assert not done and file.read_text() == "old\n"
        assert "1 file" in await task
        assert file.read_text() == "new\n"


def elsewhere(uri: str) -> dict[str, JSON]:
    """An edit of another file."""
    return {"changes": {uri: [replacing(0, 0, 1, "x")]}}


def whole(kind: str, uri: str) -> dict[str, JSON]:
    """What happens to a whole file."""
    return {"documentChanges": [{"kind": kind, "uri": uri}]}


OVERLAPPING = [replacing(0, 0, 3, "x"), replacing(0, 1, 2, "y")]
BAD: dict[str, tuple[Any, str]] = {
    "outside": (elsewhere("file:///etc/hosts"), "outside"),
    "by dots": (elsewhere("{folder}/../outside.py"), "outside"),
    "by encoded dots": (elsewhere("{folder}/%2e%2e/outside.py"), "outside"),
    "by a link": (elsewhere("{folder}/link.py"), "outside"),
    "by a link within": (elsewhere("{folder}/near.py"), "symbolic"),
    "of the web": (elsewhere("http://x/y"), "no file here"),
    "of a host": (elsewhere("file://host/y"), "no file here"),
    "missing": (elsewhere("{folder}/none.py"), "not found"),
    "a pipe": (elsewhere("{folder}/pipe.py"), "regular file"),
    "creating": (whole("create", "{folder}/n.py"), "create a whole"),
    "deleting": (whole("delete", "{folder}/a.py"), "delete a whole"),
    "overlapping": ({"changes": {"{uri}": OVERLAPPING}}, "overlap"),
    "unreadable": ({"changes": {"{uri}": [{"range": 1}]}}, "cannot be read"),
}


@requirement("lsp:bounds")
@pytest.mark.parametrize("case", BAD)
async def test_what_a_server_wants_to_change_elsewhere_is_refused(
    case: str, tmp_path: Path
) -> None:
    """§9.1 R, chat-server.md §6: no way out of the working directory, and no whole files."""
    inside, outside = tmp_path / "work", tmp_path / "outside.py"
    inside.mkdir()
    outside.write_text("secret\n")
    file = inside / "a.py"
    file.write_text("old\n")
    (inside / "link.py").symlink_to(outside)
    (inside / "near.py").symlink_to(file)
    os.mkfifo(inside / "pipe.py")
    answer, wanted = BAD[case]
    async with opened(inside, **scripted(answers={"textDocument/rename": answer})) as toolset:
        with pytest.raises(ToolError, match=wanted):
            await rename(toolset, file)
    assert (file.read_text(), outside.read_text()) == ("old\n", "secret\n")
    assert not (inside / "n.py").exists()


PATHS: dict[str, Callable[[Path], str]] = {
    "absolute": lambda folder: "/etc/passwd",
    "dots": lambda folder: str(folder / ".." / "outside.py"),
    "link": lambda folder: str(folder / "link.py"),
    "home": lambda folder: "~/x.py",
    "empty": lambda folder: " ",
    "nul": lambda folder: "a\0.py",
    "folder": lambda folder: str(folder),
    "denied": lambda folder: str(folder / "secrets" / "x.py"),
    "address": lambda folder: f"file://{folder}/../outside.py",
}


@requirement("lsp:bounds")
@pytest.mark.parametrize("way", PATHS)
async def test_a_file_out_of_bounds_is_not_shown_to_the_server(way: str, tmp_path: Path) -> None:
    """§9.1 R: as the filesystem tools refuse it, `deny_list` among them."""
    inside, outside, notes = tmp_path / "work", tmp_path / "outside.py", tmp_path / "notes"
    (inside / "secrets").mkdir(parents=True)
    (inside / "secrets" / "x.py").write_text("key\n")
    outside.write_text("secret\n")
    (inside / "link.py").symlink_to(outside)
    keys = scripted(notes=str(notes))
    denied: list[dict[str, JSON]] = [{"deny_list": ["secrets"]}]
    async with opened(inside, filesystem=denied, **keys) as toolset:
        with pytest.raises(ToolError):
            await text(toolset, "document_symbols", file=PATHS[way](inside))
        assert heard(notes, "textDocument/didOpen") == []


@requirement("lsp:bounds")
async def test_the_filesystem_tools_lists_open_folders_too(tmp_path: Path) -> None:
    """§9.1: `allow_list`; without a filesystem entry the server's own folder."""
    inside, other = tmp_path / "work", tmp_path / "other"
    for folder in (inside, other):
        folder.mkdir()
        (folder / "a.py").write_text("x\n")
    allowed: list[dict[str, JSON]] = [{"allow_list": [str(other)]}]
    async with opened(inside, filesystem=allowed, **scripted()) as toolset:
        await text(toolset, "document_symbols", file=str(other / "a.py"))
        with pytest.raises(ToolError, match="outside"):
            await text(toolset, "document_symbols", file=str(inside / "a.py"))
    async with opened(inside, working_dir=str(other), **scripted()) as toolset:
        assert f"Workspace: {other}" in await text(toolset, "workspace")
        await text(toolset, "document_symbols", file=str(other / "a.py"))
        await text(toolset, "document_symbols", file="a.py")
    with pytest.raises(ConfigError, match="deny_list"):
        async with opened(inside, filesystem=[{"deny_list": [" "]}], **scripted()):
            pass


@requirement("lsp:bounds")
async def test_lines_of_files_out_of_bounds_are_not_shown(tmp_path: Path) -> None:
    """A server may say where something is; what stands there is another matter."""
    inside, outside = tmp_path / "work", tmp_path / "outside.py"
    inside.mkdir()
    outside.write_text("secret = 1\n")
    (inside / "a.py").write_text("x\n")
    answer = [{"uri": outside.as_uri(), "range": span(0, 0, 6)}]
    async with opened(inside, **scripted(answers={"textDocument/definition": answer})) as toolset:
        at: dict[str, JSON] = {"file": str(inside / "a.py"), "line": 1, "character": 1}
        assert await text(toolset, "definition", **at) == f"{outside}:1:1"


@requirement("lsp:bounds")
async def test_what_is_no_text_or_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bounded, and told."""
    monkeypatch.setattr("docker_agent.tools.lsp.files.MAX_FILE", 10)
    (tmp_path / "a.py").write_bytes(b"\xff\xfe")
    (tmp_path / "b.py").write_text("x" * 11)
    async with opened(tmp_path, **scripted()) as toolset:
        for name, wanted in (("a.py", "no UTF-8 text"), ("b.py", "larger than 10 bytes")):
            with pytest.raises(ToolError, match=wanted):
                await text(toolset, "diagnostics", file=str(tmp_path / name))


@requirement("lsp:tools")
async def test_a_file_is_formatted(tmp_path: Path) -> None:
    """§9.22; nothing to do is no change."""
    file = tmp_path / "a.py"
    file.write_text("x=1\n")
    answer = [replacing(0, 1, 2, " = ")]
    async with opened(tmp_path, **scripted(answers={"textDocument/formatting": answer})) as toolset:
        assert await text(toolset, "format", file=str(file)) == f"Formatted:\n- {file} (1 edit)"
        assert file.read_text() == "x = 1\n"
    async with opened(tmp_path, **scripted()) as toolset:
        assert "not changed" in await text(toolset, "format", file=str(file))


FIX: dict[str, JSON] = {"changes": {"{uri}": [replacing(0, 0, 3, "fixed")]}}
OFFERED: list[dict[str, JSON]] = [
    {"title": "Fix it", "kind": "quickfix", "edit": FIX},
    {"title": "Fix it later", "data": 7},
    {"title": "Not now", "disabled": {"reason": "too late"}},
    {"title": "Tell the server", "command": "fix", "arguments": [1]},
    {"title": "Both", "edit": FIX, "command": {"title": "", "command": "fix", "arguments": [2]}},
]
LISTED = """\
1. Fix it (quickfix)
2. Fix it later
3. Not now; not possible: too late
4. Tell the server
5. Both"""


@requirement("lsp:tools", "lsp:apply")
async def test_actions_are_listed_and_taken_by_their_title(tmp_path: Path) -> None:
    """§9.22: edits that come at once, later, or when the server asks for them."""
    file, notes = tmp_path / "a.py", tmp_path / "notes"
    file.write_text("old\nmore\n")
    later = {
        "title": "Fix it later",
        "edit": {"changes": {"{folder}/a.py": FIX["changes"]["{uri}"]}},
    }
    asked = {"edit": {"changes": {"{folder}/a.py": [replacing(1, 0, 4, "asked")]}}}
    keys = scripted(
        answers={"textDocument/codeAction": OFFERED, "codeAction/resolve": later},
        asks={"workspace/executeCommand": {"method": "workspace/applyEdit", "params": asked}},
        problems=[
            {"range": span(1, 0, 2), "message": "m"},
            {"range": span(9, 0, 2), "message": "n"},
        ],
        notes=str(notes),
    )
    lines: dict[str, JSON] = {"file": str(file), "start_line": 1, "end_line": 2}
    async with opened(tmp_path, **keys) as toolset:
        assert await text(toolset, "code_actions", **lines) == LISTED
        (told,) = heard(notes, "textDocument/codeAction")
        assert told["range"] == {
            "start": {"line": 0, "character": 0},
            "end": {"line": 1, "character": 4},
        }
        assert [each["message"] for each in told["context"]["diagnostics"]] == ["m"]
        for title, after in (
            ("Fix it", "fixed\nmore\n"),
            ("Fix it later", "fixed\nmore\n"),
            ("Tell the server", "old\nasked\n"),
            ("Both", "fixed\nasked\n"),
        ):
            file.write_text("old\nmore\n")
            said = await text(toolset, "code_actions", apply=title, **lines)
            assert said.startswith(f"'{title}' has changed 1 file:\n- {file} (1 edit)")
            assert file.read_text() == after
        assert heard(notes, "answered") == [{"applied": True}] * 2
        orders = [each["arguments"] for each in heard(notes, "workspace/executeCommand")]
        assert orders == [[1], [2]]
        for title, wanted in (("Not now", "too late"), ("Nothing", "there are: Fix it; Fix it")):
            with pytest.raises(ToolError, match=wanted):
                await text(toolset, "code_actions", apply=title, **lines)
        with pytest.raises(ToolError, match="stands before"):
            await text(toolset, "code_actions", file=str(file), start_line=2, end_line=1)


@requirement("lsp:apply")
async def test_what_a_server_writes_by_itself_is_not_written(tmp_path: Path) -> None:
    """Only an approved call that may write lets it, and only within bounds."""
    inside, outside, notes = tmp_path / "work", tmp_path / "outside.py", tmp_path / "notes"
    inside.mkdir()
    outside.write_text("old\n")
    file = inside / "a.py"
    file.write_text("old\n")
    wanted = {"edit": {"changes": {"{folder}/a.py": [replacing(0, 0, 3, "new")]}}}
    keys = scripted(
        asks={"textDocument/hover": {"method": "workspace/applyEdit", "params": wanted}},
        notes=str(notes),
    )
    async with opened(inside, **keys) as toolset:
        await text(toolset, "hover", file=str(file), line=1, character=1)
        (refused,) = heard(notes, "answered")
        assert refused == {"applied": False, "failureReason": "nobody has asked for a change"}
    notes.unlink()
    escape = {"edit": {"changes": {outside.as_uri(): [replacing(0, 0, 3, "new")]}}}
    keys = scripted(
        answers={"textDocument/codeAction": OFFERED},
        asks={"workspace/executeCommand": {"method": "workspace/applyEdit", "params": escape}},
        problems=[],
        notes=str(notes),
    )
    lines: dict[str, JSON] = {"file": str(file), "start_line": 1}
    async with opened(inside, **keys) as toolset:
        said = await text(toolset, "code_actions", apply="Tell the server", **lines)
        assert said.endswith("changed no file.")
        (refused,) = heard(notes, "answered")
        assert not refused["applied"] and "outside the allowed" in refused["failureReason"]
    assert (file.read_text(), outside.read_text()) == ("old\n", "old\n")


@requirement("lsp:bounds")
async def test_results_of_other_conversations_are_out_of_bounds(tmp_path: Path) -> None:
    """§5.6: large results lie in folders that no tool may enter but by its own way."""
    results = tmp_path / "results" / "mine"
    results.mkdir(parents=True)
    (results / "x.py").write_text("x\n")
    async with opened(tmp_path, **scripted()) as toolset:
        surroundings = msgspec.structs.replace(context(), results=str(results))
        with pytest.raises(ToolError, match="results of tools"):
            await toolset.call(
                "lsp_document_symbols", {"file": str(results / "x.py")}, surroundings
            )
