"""What each tool sends to a server, and how the answer reads. Source: runtime.md §9.22."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from docker_agent.errors import ToolError
from docker_agent.messages import JSON
from docker_agent.permissions import label
from docker_agent.tools.lsp.tools import BY_NAME, TOOLS
from docker_agent.tools.select import select
from tests.requirements import requirement
from tests.tools.lsp.opening import heard, names, opened, scripted, text
from tests.tools.surroundings import around, context

pytestmark = pytest.mark.anyio

CODE = "def ü():\n    return '😀' + total()\n"


def span(line: int, first: int, last: int) -> dict[str, JSON]:
    """A range within one line."""
    start, end = {"line": line, "character": first}, {"line": line, "character": last}
    return {"start": start, "end": end}


HERE: dict[str, JSON] = {"uri": "{uri}", "range": span(1, 18, 23)}
AWAY: dict[str, JSON] = {"uri": "file:///usr/lib/x.py", "range": span(4, 2, 3)}
ITEM: dict[str, JSON] = {
    "name": "total",
    "kind": 12,
    "uri": "{uri}",
    "range": span(0, 0, 3),
    "selectionRange": span(0, 4, 5),
    "data": {"kept": [1]},
}
CASES: dict[str, tuple[str, Any, dict[str, JSON], str]] = {
    "hover": (
        "textDocument/hover",
        {"contents": {"kind": "markdown", "value": "**total** of all"}},
        {"line": 1, "character": 5},
        "**total** of all",
    ),
    "hover of marked strings": (
        "textDocument/hover",
        {"contents": [{"language": "python", "value": "def total()"}, "Of all."]},
        {"line": 1, "character": 5},
        "```python\ndef total()\n```\n\nOf all.",
    ),
    "hover of nothing": ("textDocument/hover", None, {"line": 1, "character": 1}, "Nothing is"),
    "definition": (
        "textDocument/definition",
        HERE,
        {"line": 2, "character": 18},
        "{file}:2:18: return '😀' + total()",
    ),
    "definition by links": (
        "textDocument/definition",
        [
            {
                "targetUri": "{uri}",
                "targetRange": span(0, 0, 9),
                "targetSelectionRange": span(0, 4, 5),
            }
        ],
        {"line": 2, "character": 18},
        "{file}:1:5: def ü():",
    ),
    "definition of nothing": (
        "textDocument/definition",
        [],
        {"line": 1, "character": 1},
        "No definition",
    ),
    "implementations": (
        "textDocument/implementation",
        [HERE, HERE],
        {"line": 2, "character": 18},
        "{file}:2:18: return '😀' + total()",
    ),
    "references": (
        "textDocument/references",
        [HERE, AWAY],
        {"line": 2, "character": 18},
        "{file}:2:18: return '😀' + total()\n/usr/lib/x.py:5:3",
    ),
    "document_symbols": (
        "textDocument/documentSymbol",
        [
            {
                "name": "ü",
                "kind": 12,
                "detail": "() -> str",
                "range": span(0, 0, 9),
                "selectionRange": span(0, 4, 5),
                "children": [{"name": "x", "kind": 13, "selectionRange": span(1, 4, 5)}],
            },
            {"name": "flat", "kind": 99, "location": HERE, "containerName": "m"},
        ],
        {},
        "1:5 function ü () -> str\n  2:5 variable x\n2:18 symbol flat (in m)",
    ),
    "workspace_symbols": (
        "workspace/symbol",
        [{"name": "ü", "kind": 5, "location": {"uri": "file:///elsewhere/y.py"}}],
        {"query": "ü"},
        "class ü /elsewhere/y.py:1:1",
    ),
    "call_hierarchy": (
        "callHierarchy/incomingCalls",
        [{"from": ITEM, "fromRanges": [span(1, 18, 23), span(0, 0, 1)]}],
        {"line": 1, "character": 5, "direction": "incoming"},
        "function total:\n  function total {file}:1:5: def ü(): (at line 2, 1)",
    ),
    "call_hierarchy outgoing": (
        "callHierarchy/outgoingCalls",
        [{"to": ITEM, "fromRanges": [span(1, 18, 23)]}],
        {"line": 1, "character": 5, "direction": "outgoing"},
        "function total:\n  function total {file}:1:5: def ü(): (at line 2)",
    ),
    "type_hierarchy": (
        "typeHierarchy/subtypes",
        [ITEM],
        {"line": 1, "character": 5, "direction": "subtypes"},
        "function total:\n  function total {file}:1:5: def ü():",
    ),
    "type_hierarchy of nothing": (
        "typeHierarchy/supertypes",
        None,
        {"line": 1, "character": 5, "direction": "supertypes"},
        "No supertypes found.",
    ),
    "signature_help": (
        "textDocument/signatureHelp",
        {
            "signatures": [
                {
                    "label": "f(😀: int, b: str)",
                    "documentation": "Does it.",
                    "parameters": [
                        {"label": [2, 9], "documentation": "a face"},
                        {"label": "b: str"},
                    ],
                }
            ],
            "activeParameter": 0,
        },
        {"line": 1, "character": 5},
        "f(😀: int, b: str)\nhere: 😀: int: a face\nDoes it.",
    ),
    "inlay_hints": (
        "textDocument/inlayHint",
        [
            {
                "position": {"line": 0, "character": 6},
                "label": [{"value": "-> "}, {"value": "str"}],
            },
            {"position": {"line": 1, "character": 16}, "label": "here"},
        ],
        {},
        "1:7 -> str\n2:16 here",
    ),
}


@requirement("lsp:tools", "lsp:places")
@pytest.mark.parametrize("case", CASES)
async def test_an_answer_reads_as_text(case: str, tmp_path: Path) -> None:
    """§9.22: fifteen tools; places count in characters, also behind an emoji, for a server that
    counts in UTF-16."""
    method, answer, arguments, wanted = CASES[case]
    tool = case.partition(" ")[0]
    file, notes = tmp_path / "ü.py", tmp_path / "notes"
    file.write_text(CODE)
    prepared = {f"textDocument/prepare{kind}Hierarchy": [ITEM] for kind in ("Call", "Type")}
    answers = {**prepared, method: answer}
    if tool != "workspace_symbols":
        arguments = {"file": str(file), **arguments}
    async with opened(tmp_path, **scripted(answers=answers, notes=str(notes))) as toolset:
        said = await text(toolset, tool, **arguments)
        assert said.startswith(wanted.replace("{file}", str(file)))
        (asked,) = heard(notes, method)
        if arguments.get("character") == 18:
            assert asked["position"] == {"line": 1, "character": 18}
        if "item" in asked:
            assert asked["item"]["data"] == {"kept": [1]}


@requirement("lsp:tools")
async def test_there_are_fifteen_tools_and_each_is_shown_to_the_model(tmp_path: Path) -> None:
    """§9.22: their names, in one order."""
    async with opened(tmp_path, **scripted()) as toolset:
        listing = await toolset.tools(around())
        assert [spec.name for spec in listing.specs] == [tool.spec.name for tool in TOOLS]
        assert len(listing.specs) == 15
        assert "absolute path" in listing.instructions
        shown = await text(toolset, "workspace")
        assert shown.splitlines()[:3] == [
            "Language server: scripted 1",
            f"Workspace: {tmp_path}",
            "Files: all files",
        ]


@requirement("lsp:capabilities")
async def test_tools_that_the_server_cannot_do_are_hidden(tmp_path: Path) -> None:
    """§9.22: and refused when one is called all the same."""
    offered: dict[str, JSON] = {"hoverProvider": {}, "renameProvider": False}
    async with opened(tmp_path, **scripted(capabilities=offered)) as toolset:
        assert await names(toolset) == ["lsp_workspace", "lsp_hover", "lsp_diagnostics"]
        with pytest.raises(ToolError, match="cannot do lsp_rename"):
            await text(toolset, "rename", file="x", line=1, character=1, new_name="y")
        with pytest.raises(ToolError, match="no tool 'nonsense'"):
            await toolset.call("nonsense", {}, context())


@requirement("lsp:labels")
async def test_only_what_changes_files_needs_more_than_reading(tmp_path: Path) -> None:
    """§9.22, §6.4: renaming, formatting, taking an action; listing actions is safe."""
    labels = {name: label(tool.spec, {}) for name, tool in BY_NAME.items()}
    writing = {name for name, found in labels.items() if found != "safe"}
    assert writing == {"lsp_rename", "lsp_format"}
    actions = BY_NAME["lsp_code_actions"].spec
    assert label(actions, {"apply": ""}) == "safe"
    assert label(actions, {"apply": "Fix it"}) == label(actions, {"apply": ["Fix it"]}) == "unknown"
    assert label(actions, None) == "unknown"
    async with opened(tmp_path, **scripted()) as toolset:
        kept = await select(toolset, readonly=True).tools(around())
        assert len(kept.specs) == 12
        assert {"lsp_rename", "lsp_format", "lsp_code_actions"}.isdisjoint(kept.by_name)


@requirement("lsp:places")
@pytest.mark.parametrize(("encoding", "unit"), [("utf-8", 20), ("utf-16", 18), ("utf-32", 17)])
async def test_places_are_sent_as_the_server_counts(
    tmp_path: Path, encoding: str, unit: int
) -> None:
    """3.17: the encoding is the server's choice among those that are offered."""
    file, notes = tmp_path / "a.py", tmp_path / "notes"
    file.write_text(CODE)
    keys = scripted(notes=str(notes), encoding=encoding)
    async with opened(tmp_path, **keys) as toolset:
        await text(toolset, "hover", file=str(file), line=2, character=18)
        (hello,) = heard(notes, "initialize")
        offered = hello["capabilities"]["general"]["positionEncodings"]
        assert offered == ["utf-32", "utf-16", "utf-8"]
        (asked,) = heard(notes, "textDocument/hover")
        assert asked["position"] == {"line": 1, "character": unit}


@requirement("lsp:tools")
async def test_a_long_answer_is_cut_and_says_so(tmp_path: Path) -> None:
    """As many places and characters as a model can read."""
    file = tmp_path / "a.py"
    file.write_text("x\n" * 300)
    spots = [{"uri": "{uri}", "range": span(line, 0, 1)} for line in range(300)]
    answers = {
        "textDocument/references": spots,
        "textDocument/hover": {"contents": "x" * 60_000},
    }
    at: dict[str, JSON] = {"file": str(file), "line": 1, "character": 1}
    async with opened(tmp_path, **scripted(answers=answers)) as toolset:
        rows = (await text(toolset, "references", **at)).splitlines()
        assert len(rows) == 201 and rows[-1] == "... and 100 more"
        long = await text(toolset, "hover", **at)
        assert len(long) < 50_100 and long.endswith("cut off: the answer has 60000 characters")


PROBLEMS: list[dict[str, JSON]] = [
    {"range": span(1, 18, 23), "message": "is not\ndefined", "severity": 1, "code": "E1"},
    {"range": span(0, 0, 1), "message": {"kind": "markdown", "value": "odd"}, "source": "lint"},
    {"nothing": True},
]
FOUND = "1:1 problem: odd [lint]\n1:1 problem: the language server's report cannot be read\n"


@requirement("lsp:diagnostics")
@pytest.mark.parametrize("pulled", [False, True])
async def test_problems_are_asked_for_or_awaited(tmp_path: Path, pulled: bool) -> None:
    """3.17: `textDocument/diagnostic` where it is offered, else `publishDiagnostics`."""
    file = tmp_path / "a.py"
    file.write_text(CODE)
    settings: dict[str, Any] = {"problems": PROBLEMS}
    if pulled:
        report = {"kind": "full", "items": PROBLEMS}
        settings = {
            "answers": {"textDocument/diagnostic": report},
            "capabilities": {"diagnosticProvider": {"interFileDependencies": True}},
        }
    async with opened(tmp_path, **scripted(**settings)) as toolset:
        said = await text(toolset, "diagnostics", file=str(file))
        assert said == f"{FOUND}2:18 error: is not defined [E1]"
        file.write_text(CODE + "more\n")
        assert await text(toolset, "diagnostics", file=str(file)) == said


@requirement("lsp:diagnostics")
async def test_a_server_that_says_nothing_of_a_file_is_not_awaited_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bounded; nothing said is not the same as no problems."""
    monkeypatch.setattr("docker_agent.tools.lsp.problems.DIAGNOSTICS_SECONDS", 0.2)
    (tmp_path / "a.py").write_text(CODE)
    async with opened(tmp_path, **scripted()) as toolset:
        said = await text(toolset, "diagnostics", file=str(tmp_path / "a.py"))
        assert "has not said anything about this file yet" in said
    async with opened(tmp_path, **scripted(problems=[])) as toolset:
        assert await text(toolset, "diagnostics", file="a.py") == "No problems found."
    async with opened(tmp_path, **scripted(problems=PROBLEMS, behind=1)) as toolset:
        said = await text(toolset, "diagnostics", file="a.py")
        assert "has not said anything about this file yet" in said


@requirement("lsp:fresh")
async def test_the_server_sees_what_others_have_written(tmp_path: Path) -> None:
    """The file that is asked about, others that are open, and those that are not."""
    first, second, notes = tmp_path / "a.py", tmp_path / "b.py", tmp_path / "notes"
    first.write_text("one\n")
    second.write_text("two\n")
    async with opened(tmp_path, file_types=["py"], **scripted(notes=str(notes))) as toolset:
        for file in (first, second, first):
            await text(toolset, "document_symbols", file=str(file))
        shown = [each["textDocument"] for each in heard(notes, "textDocument/didOpen")]
        assert [(each["text"], each["languageId"]) for each in shown] == [
            ("one\n", "python"),
            ("two\n", "python"),
        ]
        assert heard(notes, "textDocument/didChange") == []
        first.write_text("one more\n")
        second.unlink()
        (tmp_path / "c.py").write_text("three\n")
        (tmp_path / "c.txt").write_text("not its own\n")
        await text(toolset, "workspace_symbols", query="x")
        (change,) = heard(notes, "textDocument/didChange")
        assert change["textDocument"]["version"] > shown[0]["version"]
        assert change["contentChanges"] == [{"text": "one more\n"}]
        (saved, *_) = reversed(heard(notes, "textDocument/didSave"))
        assert saved["text"] == "one more\n"
        (closed,) = heard(notes, "textDocument/didClose")
        assert closed["textDocument"]["uri"] == second.as_uri()
        (events,) = heard(notes, "workspace/didChangeWatchedFiles")
        told = {each["uri"]: each["type"] for each in events["changes"]}
        assert told == {
            (tmp_path / "c.py").as_uri(): 1,
            first.as_uri(): 2,
            second.as_uri(): 3,
        }


@requirement("lsp:types")
async def test_a_file_of_another_language_is_refused(tmp_path: Path) -> None:
    """agent-file.md §2.9: `file_types`."""
    (tmp_path / "a.txt").write_text("x")
    async with opened(tmp_path, file_types=[".py", "pyi"], **scripted()) as toolset:
        with pytest.raises(ToolError, match=r"knows \.py, \.pyi, not .*a\.txt"):
            await text(toolset, "document_symbols", file=str(tmp_path / "a.txt"))
