"""The tools that change files: renaming, formatting, and the actions that a server offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec

from docker_agent.errors import ToolError
from docker_agent.messages import JSON, UNREADABLE
from docker_agent.tools.lsp.asking import At, FileName, InFile, Line, problems
from docker_agent.tools.lsp.desk import Desk, counted, listed
from docker_agent.tools.lsp.documents import Document
from docker_agent.tools.lsp.files import edits_by_path
from docker_agent.tools.lsp.protocol import (
    Action,
    Change,
    Command,
    Named,
    Problem,
    TextEdit,
    WorkspaceEdit,
)

TAB_SIZE = 4
"""Blanks of an indentation, for formatters that nothing else tells it to."""


class Rename(At, frozen=True):
    """What `lsp_rename` takes."""

    new_name: Annotated[str, msgspec.Meta(description="The new name.")]


class Actions(msgspec.Struct, frozen=True):
    """What `lsp_code_actions` takes."""

    file: FileName
    start_line: Line
    end_line: Annotated[
        int, msgspec.Meta(description="The last line; `start_line` when left out.")
    ] = 0
    apply: Annotated[
        str,
        msgspec.Meta(
            description="The title of an action to take, as it is listed; nothing lists them."
        ),
    ] = ""


async def rename(desk: Desk, wanted: Rename) -> str:
    """Give a symbol another name, wherever it is used."""
    if not wanted.new_name.strip():
        raise ToolError("`new_name` is empty")
    async with desk.session.writing:
        document = await desk.show(wanted.file)
        asked = desk.at(document, wanted.line, wanted.character)
        asked["newName"] = wanted.new_name
        edit = await _asked_twice(desk, asked)
        lines = await desk.write(edit) if edit is not None else []
    if not lines:
        return "There is nothing to rename here; no file was changed."
    return listed([f"Renamed in {counted(len(lines), 'file')}:", *lines], "")


async def _asked_twice(desk: Desk, asked: Mapping[str, JSON]) -> WorkspaceEdit | None:
    """The edits of a renaming; asked for again when they touch files that were not open."""
    edit = await desk.ask("textDocument/rename", asked, WorkspaceEdit)
    if await desk.missing(edit):
        edit = await desk.ask("textDocument/rename", asked, WorkspaceEdit)
    return edit


async def format_file(desk: Desk, wanted: InFile) -> str:
    """Lay out a file as its language does."""
    async with desk.session.writing:
        document = await desk.show(wanted.file)
        options = {
            "tabSize": TAB_SIZE,
            "insertSpaces": True,
            "trimTrailingWhitespace": True,
            "insertFinalNewline": True,
        }
        asked = {"textDocument": {"uri": document.uri}, "options": options}
        edits = await desk.ask("textDocument/formatting", asked, tuple[TextEdit, ...])
        change = Change(text_document=Named(document.uri), edits=edits or ())
        lines = await desk.write(WorkspaceEdit(document_changes=(change,)))
    if not lines:
        return "The file is laid out well already; it was not changed."
    return listed(["Formatted:", *lines], "")


async def code_actions(desk: Desk, wanted: Actions) -> str:
    """What the server offers to do about some lines, or doing one of it."""
    if not wanted.apply:
        document = await desk.show(wanted.file)
        rows = [
            f"{number}. {_told(action)}"
            for number, (_, action) in enumerate(await _offered(desk, document, wanted), 1)
        ]
        return listed(rows, "No actions for these lines.")
    async with desk.session.writing:
        document = await desk.show(wanted.file)
        raw, action = _chosen(await _offered(desk, document, wanted), wanted.apply)
        lines = await _take(desk, raw, action, wanted)
    if not lines:
        return f"'{action.title}' was done; it changed no file."
    changed = list(dict.fromkeys(lines))
    return listed([f"'{action.title}' has changed {counted(len(changed), 'file')}:", *changed], "")


def _told(action: Action) -> str:
    kind = f" ({action.kind})" if action.kind else ""
    why = f"; not possible: {action.disabled.reason}" if action.disabled else ""
    return f"{action.title}{kind}{why}"


async def _offered(desk: Desk, document: Document, wanted: Actions) -> list[tuple[JSON, Action]]:
    """The actions, as the server writes them and as they are read here."""
    asked = desk.lines(document, wanted.start_line, wanted.end_line or wanted.start_line)
    first, last = wanted.start_line - 1, (wanted.end_line or wanted.start_line) - 1
    known = await problems(desk, document) or ()
    asked["context"] = {"diagnostics": [each for each in known if _touches(each, first, last)]}
    found = await desk.ask("textDocument/codeAction", asked, tuple[dict[str, JSON], ...])
    return [(raw, _action(raw)) for raw in found or ()]


def _action(raw: JSON) -> Action:
    try:
        return msgspec.convert(raw, Action)
    except UNREADABLE as exc:
        raise ToolError(f"the language server's answer cannot be read: {exc}") from exc


def _touches(raw: JSON, first: int, last: int) -> bool:
    try:
        range = msgspec.convert(raw, Problem).range
    except UNREADABLE:
        return False
    return range.start.line <= last and range.end.line >= first


def _chosen(offered: Sequence[tuple[JSON, Action]], title: str) -> tuple[JSON, Action]:
    for raw, action in offered:
        if action.title == title:
            if action.disabled:
                raise ToolError(f"'{title}' is not possible: {action.disabled.reason}")
            return raw, action
    titles = "; ".join(action.title for _, action in offered) or "none"
    raise ToolError(f"there is no action '{title}' for these lines; there are: {titles}")


async def _take(desk: Desk, raw: JSON, action: Action, wanted: Actions) -> list[str]:
    """Make an action's edits, then have the server do its command; lines of changed files."""
    lines: list[str] = []
    edit, order = await _resolved(desk, raw, action)
    if await desk.missing(edit):
        document = await desk.show(wanted.file)
        raw, action = _chosen(await _offered(desk, document, wanted), wanted.apply)
        edit, order = await _resolved(desk, raw, action)
    if edit is not None:
        lines += await desk.write(edit)
    if order is not None:
        lines += await _ordered(desk, order)
    return lines


async def _resolved(
    desk: Desk, raw: JSON, action: Action
) -> tuple[WorkspaceEdit | None, Command | None]:
    """What an action does, asked for where the server keeps it for later."""
    later = desk.session.option("codeActionProvider", "resolveProvider")
    if later and action.edit is None and not isinstance(action.command, str):
        action = _action(await desk.ask("codeAction/resolve", raw, dict[str, JSON]) or raw)
    return action.edit, action.order


async def _ordered(desk: Desk, order: Command) -> list[str]:
    """Have the server do a command, and make the edits that it asks for meanwhile."""
    lines: list[str] = []

    async def apply(edit: WorkspaceEdit) -> None:
        await desk.session.documents.show(desk.files, list(edits_by_path(edit)))
        lines.extend(await desk.write(edit))

    asked = {"command": order.command, "arguments": list(order.arguments or ())}
    with desk.session.listener.applying(apply):
        await desk.ask("workspace/executeCommand", asked, msgspec.Raw)
    return lines
