"""The tools that only ask: what each sends to the server, and how its answer reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal, TypeVar

import msgspec

from docker_agent.errors import ToolError
from docker_agent.messages import JSON, UNREADABLE
from docker_agent.tools.lsp.desk import Desk, cut, listed
from docker_agent.tools.lsp.documents import Document
from docker_agent.tools.lsp.limits import MAX_LINE, MAX_ROWS
from docker_agent.tools.lsp.protocol import (
    SEVERITIES,
    Hint,
    Hover,
    Item,
    Link,
    Position,
    Problem,
    Range,
    Report,
    Signature,
    Signatures,
    Spot,
    Spots,
    Symbol,
    kind_word,
    words,
)
from docker_agent.tools.lsp.text import Text, points

Answer = TypeVar("Answer")

FileName = Annotated[str, msgspec.Meta(description="The file, as an absolute path.")]
Line = Annotated[int, msgspec.Meta(description="The line, counted from 1.")]


_BEGINNING = Range(Position(0, 0), Position(0, 0))
"""Where a place is of which only the file is known."""


class Nothing(msgspec.Struct, frozen=True):
    """What tools take that take nothing."""


class InFile(msgspec.Struct, frozen=True):
    """A file."""

    file: FileName


class At(msgspec.Struct, frozen=True):
    """A place in a file."""

    file: FileName
    line: Line
    character: Annotated[
        int, msgspec.Meta(description="The character in the line, counted from 1.")
    ]


class References(At, frozen=True):
    """What `lsp_references` takes."""

    include_declaration: Annotated[
        bool, msgspec.Meta(description="Whether the declaration itself is among them.")
    ] = True


class Query(msgspec.Struct, frozen=True):
    """What `lsp_workspace_symbols` takes."""

    query: Annotated[str, msgspec.Meta(description="A name, or a part of one.")]


class Calls(At, frozen=True):
    """What `lsp_call_hierarchy` takes."""

    direction: Annotated[
        Literal["incoming", "outgoing"],
        msgspec.Meta(description="Who calls it (incoming), or whom it calls (outgoing)."),
    ]


class Types(At, frozen=True):
    """What `lsp_type_hierarchy` takes."""

    direction: Annotated[
        Literal["supertypes", "subtypes"],
        msgspec.Meta(description="What it is made from, or what is made from it."),
    ]


class Lines(msgspec.Struct, frozen=True):
    """What `lsp_inlay_hints` takes."""

    file: FileName
    start_line: Annotated[int, msgspec.Meta(description="The first line, counted from 1.")] = 1
    end_line: Annotated[
        int, msgspec.Meta(description="The last line; the file's last when left out.")
    ] = 0


async def _asked_at(desk: Desk, method: str, wanted: At, answer: type[Answer]) -> Answer | None:
    document = await desk.show(wanted.file)
    return await desk.ask(method, desk.at(document, wanted.line, wanted.character), answer)


def _spots(raw: msgspec.Raw | None) -> list[tuple[str, Range]]:
    """Places by address. Raises `ToolError`."""
    try:
        found: Spots = msgspec.json.decode(raw, type=Spots) if raw is not None else None
    except UNREADABLE as exc:
        raise ToolError(f"the language server's answer cannot be read: {exc}") from exc
    spots = (found,) if isinstance(found, Spot) else found or ()
    return [
        (spot.target_uri or spot.uri, spot.target_selection_range or spot.range or _BEGINNING)
        for spot in spots
    ]


def _line(text: str) -> str:
    """Somebody else's words, on one line."""
    return " ".join(text.split())[:MAX_LINE]


async def hover(desk: Desk, wanted: At) -> str:
    """What is known of a symbol."""
    found = await _asked_at(desk, "textDocument/hover", wanted, Hover)
    return cut(words(found.contents if found else None) or "Nothing is known here.")


async def definition(desk: Desk, wanted: At) -> str:
    """Where a symbol is defined."""
    found = await _asked_at(desk, "textDocument/definition", wanted, msgspec.Raw)
    return await desk.places(_spots(found), "No definition found.")


async def implementations(desk: Desk, wanted: At) -> str:
    """What implements a symbol."""
    found = await _asked_at(desk, "textDocument/implementation", wanted, msgspec.Raw)
    return await desk.places(_spots(found), "No implementations found.")


async def references(desk: Desk, wanted: References) -> str:
    """Where a symbol is used."""
    document = await desk.show(wanted.file)
    asked = desk.at(document, wanted.line, wanted.character)
    asked["context"] = {"includeDeclaration": wanted.include_declaration}
    found = await desk.ask("textDocument/references", asked, msgspec.Raw)
    return await desk.places(_spots(found), "No references found.")


async def document_symbols(desk: Desk, wanted: InFile) -> str:
    """What a file defines."""
    document = await desk.show(wanted.file)
    found = await desk.ask(
        "textDocument/documentSymbol",
        {"textDocument": {"uri": document.uri}},
        tuple[Symbol, ...],
    )
    rows = list(_symbol_rows(found or (), document.file.text, desk, 0))
    return listed(rows, "No symbols found.")


def _symbol_rows(symbols: Sequence[Symbol], text: Text, desk: Desk, depth: int) -> Iterator[str]:
    for symbol in symbols:
        place = symbol.selection_range or (symbol.location and symbol.location.range)
        at = text.shown(place.start, desk.session.encoding) if place else "?"
        detail = f" {_line(symbol.detail)}" if symbol.detail else ""
        yield f"{'  ' * depth}{at} {_named(symbol)}{detail}"
        yield from _symbol_rows(symbol.children or (), text, desk, depth + 1)


async def workspace_symbols(desk: Desk, wanted: Query) -> str:
    """Symbols of all files."""
    await desk.session.documents.show(desk.files)
    asked = {"query": wanted.query}
    found = await desk.ask("workspace/symbol", asked, tuple[Symbol, ...]) or ()
    shown = found[:MAX_ROWS]
    spots = [symbol.location or Spot() for symbol in shown]
    places = await desk.each_place([(spot.uri, spot.range or _BEGINNING) for spot in spots])
    rows = [f"{_named(symbol)} {place}" for symbol, place in zip(shown, places, strict=True)]
    return listed(rows, "No symbols found.", len(found))


def _named(symbol: Symbol) -> str:
    within = f" (in {_line(symbol.container_name)})" if symbol.container_name else ""
    return f"{kind_word(symbol.kind)} {_line(symbol.name)}{within}"


async def diagnostics(desk: Desk, wanted: InFile) -> str:
    """The problems of a file."""
    document = await desk.show(wanted.file)
    found = await problems(desk, document)
    if found is None:
        return "The language server has not said anything about this file yet. Try again later."
    rows = [_problem_row(each, document.file.text, desk) for each in found]
    return listed(sorted(rows, key=_place_of), "No problems found.")


async def problems(desk: Desk, document: Document) -> Sequence[JSON] | None:
    """The problems of a file as the server writes them: asked for where it answers, else awaited.
    None when it says nothing."""
    if desk.session.offers("diagnosticProvider"):
        asked: JSON = {"textDocument": {"uri": document.uri}}
        report = await desk.ask("textDocument/diagnostic", asked, Report)
        return report.items if report is not None else ()
    return await desk.session.listener.problems.of(document.file.path, document.version)


def _problem_row(raw: JSON, text: Text, desk: Desk) -> str:
    try:
        problem = msgspec.convert(raw, Problem)
    except UNREADABLE:
        return "1:1 problem: the language server's report cannot be read"
    severity = problem.severity or 0
    kind = SEVERITIES[severity] if 0 <= severity < len(SEVERITIES) else SEVERITIES[0]
    whose = " ".join(str(each) for each in (problem.source, problem.code) if each is not None)
    at = text.shown(problem.range.start, desk.session.encoding)
    return f"{at} {kind}: {_line(words(problem.message))}{f' [{whose}]' if whose else ''}"


def _place_of(row: str) -> tuple[int, int]:
    line, _, character = row.partition(" ")[0].partition(":")
    return int(line), int(character)


async def call_hierarchy(desk: Desk, wanted: Calls) -> str:
    """Who calls a function, or whom it calls."""
    which = f"callHierarchy/{wanted.direction}Calls"
    rows: list[str] = []
    for raw, item in await _prepared(desk, "textDocument/prepareCallHierarchy", wanted):
        links = await desk.ask(which, {"item": raw}, tuple[Link, ...])
        others = [(other, each) for each in links or () if (other := each.origin or each.to)]
        lines = await _item_rows(desk, item, [other for other, _ in others])
        rows += lines[:1]
        rows += [
            f"{line}{_lines_of(each)}" for line, (_, each) in zip(lines[1:], others, strict=True)
        ]
    calls = "calls it" if wanted.direction == "incoming" else "is called by it"
    return listed(rows, f"Nothing {calls}, as far as the language server knows.")


def _lines_of(link: Link) -> str:
    """Where a call is made: in the caller's file."""
    numbers = dict.fromkeys(str(each.start.line + 1) for each in link.from_ranges)
    return f" (at line {', '.join(numbers)})" if numbers else ""


async def type_hierarchy(desk: Desk, wanted: Types) -> str:
    """What a type is made from, or what is made from it."""
    rows: list[str] = []
    for raw, item in await _prepared(desk, "textDocument/prepareTypeHierarchy", wanted):
        others = await desk.ask(
            f"typeHierarchy/{wanted.direction}", {"item": raw}, tuple[Item, ...]
        )
        rows += await _item_rows(desk, item, others or ())
    return listed(rows, f"No {wanted.direction} found.")


async def _prepared(desk: Desk, method: str, wanted: At) -> list[tuple[JSON, Item]]:
    """What stands at a place, as the server writes it and as it is read here."""
    found = await _asked_at(desk, method, wanted, tuple[dict[str, JSON], ...])
    try:
        return [(raw, msgspec.convert(raw, Item)) for raw in found or ()]
    except UNREADABLE as exc:
        raise ToolError(f"the language server's answer cannot be read: {exc}") from exc


async def _item_rows(desk: Desk, item: Item, others: Sequence[Item]) -> list[str]:
    if not others:
        return []
    places = await desk.each_place([(each.uri, each.selection_range) for each in others])
    return [
        f"{kind_word(item.kind)} {_line(item.name)}:",
        *(
            f"  {kind_word(each.kind)} {_line(each.name)} {place}"
            for each, place in zip(others, places, strict=True)
        ),
    ]


async def signature_help(desk: Desk, wanted: At) -> str:
    """How the function is called whose arguments stand at a place."""
    found = await _asked_at(desk, "textDocument/signatureHelp", wanted, Signatures)
    if found is None or not found.signatures:
        return "There is no call here."
    active = found.active_signature or 0
    parts = [
        _signature(each, found.active_parameter, active=number == active)
        for number, each in enumerate(found.signatures)
    ]
    return cut("\n\n".join(parts))


def _signature(signature: Signature, active_parameter: int | None, *, active: bool) -> str:
    lines = [signature.label]
    parameters = signature.parameters or ()
    own = signature.active_parameter
    number = active_parameter if own is None else own
    if active and number is not None and 0 <= number < len(parameters):
        parameter = parameters[number]
        told = words(parameter.documentation)
        name = _label_of(parameter.label, signature.label)
        lines.append(f"here: {name}{f': {told}' if told else ''}")
    if told := words(signature.documentation):
        lines.append(told)
    return "\n".join(lines)


def _label_of(label: str | tuple[int, int], whole: str) -> str:
    """A parameter's text; places in a signature count in UTF-16."""
    if isinstance(label, str):
        return label
    return whole[points(whole, label[0], "utf-16") : points(whole, label[1], "utf-16")]


async def inlay_hints(desk: Desk, wanted: Lines) -> str:
    """What an editor would show between the characters of some lines."""
    document = await desk.show(wanted.file)
    text = document.file.text
    last = wanted.end_line or text.line_count
    asked = desk.lines(document, wanted.start_line, last)
    found = await desk.ask("textDocument/inlayHint", asked, tuple[Hint, ...])
    rows = [
        f"{text.shown(hint.position, desk.session.encoding)} {_line(_hint_text(hint))}"
        for hint in found or ()
    ]
    return listed(rows, "No hints for these lines.")


def _hint_text(hint: Hint) -> str:
    if isinstance(hint.label, str):
        return hint.label
    return "".join(piece.value for piece in hint.label)
