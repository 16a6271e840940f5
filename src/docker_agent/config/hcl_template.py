"""HCL templates: a text with `${…}` and `%{…}` in it, cut into parts, and the parts rendered."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

import msgspec

from docker_agent.config.compose import MarkedError
from docker_agent.config.hcl_value import Value, as_bool, as_text, pairs

MOST_DEPTH = 64
"""Expressions and texts inside each other."""
MOST_TEXT = 10 * 1024 * 1024
"""Characters that one template may render to; a turn of a loop counts as `_TURN` of them."""
_TURN = 40

_OPEN = re.compile(r"\$\$\{|%%\{|\$\{|%\{")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)", re.DOTALL)
_DIRECTIVE = re.compile(r"\s*(if|else|endif|for|endfor)\b(.*)", re.DOTALL)
_LOOP = re.compile(r"\s*([\w-]+)\s*(?:,\s*([\w-]+)\s*)?\sin\b(.*)", re.DOTALL)


class Part(msgspec.Struct, frozen=True):
    """A piece of a template: literal text, an expression, or a directive with what follows it.

    `trims_before` and `trims_after` take the blanks of the literal texts beside it away.
    """

    kind: Literal["text", "value", "if", "else", "endif", "for", "endfor"]
    text: str
    line: int
    trims_before: bool = False
    trims_after: bool = False


Names = Mapping[str, Value]
Evaluate = Callable[[str, int, Names], Value]
"""The value of an expression's text that begins at a line, where `names` mean something."""


def cut(text: str, line: int, *, quoted: bool) -> list[Part]:
    """The parts of a template that begins at `line`; `quoted` ones know backslashes.

    Raises `MarkedError` for what is not closed.
    """
    parts: list[Part] = []
    literal: list[str] = []
    at = start = 0
    while found := _OPEN.search(text, at):
        at = found.end()
        before = _unescaped(text[start : found.start()], line, quoted=quoted)
        if len(found[0]) == 3:
            literal += (before, found[0][1:])
        else:
            here = line + text.count("\n", 0, found.start())
            literal.append(before)
            parts.append(Part("text", "".join(literal), here))
            literal = []
            end = _closing(text, at, here)
            parts.append(_part(found[0], text[at:end], here))
            at = end + 1
        start = at
    literal.append(_unescaped(text[start:], line, quoted=quoted))
    parts.append(Part("text", "".join(literal), line))
    return _trimmed([part for part in parts if part.kind != "text" or part.text])


def dedented(text: str) -> str:
    """The body of a `<<-` text without the indentation that its lines share; blank lines do not
    count."""
    lines = text.split("\n")
    shared = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return "\n".join(line[shared:] if line.strip() else line for line in lines)


def render(parts: list[Part], evaluate: Evaluate, names: Names) -> str:
    """The text a template comes to. Raises `MarkedError` where that fails."""
    return _Rendering(parts, evaluate).text(names)


class _Rendering:
    def __init__(self, parts: list[Part], evaluate: Evaluate) -> None:
        self._parts = parts
        self._evaluate = evaluate
        self._matching = _matching(parts)
        self._size = 0

    def text(self, names: Names) -> str:
        return "".join(self._range(0, len(self._parts), names))

    def _range(self, start: int, end: int, names: Names) -> Iterator[str]:
        at = start
        while at < end:
            part = self._parts[at]
            if part.kind == "text":
                yield self._counted(part.text, part.line)
            elif part.kind == "value":
                value = self._evaluate(part.text, part.line, names)
                yield self._counted(as_text(value, part.line), part.line)
            else:
                middle, last = self._matching[at]
                inside = self._branch if part.kind == "if" else self._loop
                yield from inside(at, middle, last, names)
                at = last
            at += 1

    def _branch(self, at: int, middle: int, last: int, names: Names) -> Iterator[str]:
        part = self._parts[at]
        if as_bool(self._evaluate(part.text, part.line, names), part.line):
            yield from self._range(at + 1, middle, names)
        else:
            yield from self._range(middle + 1, last, names)

    def _loop(self, at: int, middle: int, last: int, names: Names) -> Iterator[str]:
        part = self._parts[at]
        found = _LOOP.fullmatch(part.text)
        if found is None:
            raise MarkedError(part.line, "a loop is written %{ for name in list }")
        first, second, source = found.groups()
        for key, value in pairs(self._evaluate(source, part.line, names), part.line):
            self._count(_TURN, part.line)
            inner = {first: value} if second is None else {first: key, second: value}
            yield from self._range(at + 1, last, {**names, **inner})

    def _counted(self, text: str, line: int) -> str:
        self._count(len(text), line)
        return text

    def _count(self, size: int, line: int) -> None:
        self._size += size
        if self._size > MOST_TEXT:
            raise MarkedError(line, f"the template renders to more than {MOST_TEXT} characters")


def _matching(parts: list[Part]) -> dict[int, tuple[int, int]]:
    """For every `if` and `for` where its `else` stands (or its end), and its end."""
    found: dict[int, tuple[int, int]] = {}
    open_ones: list[tuple[int, int | None]] = []
    for index, part in enumerate(parts):
        match part.kind:
            case "if" | "for":
                if len(open_ones) >= MOST_DEPTH:
                    raise MarkedError(part.line, f"is nested more than {MOST_DEPTH} levels deep")
                open_ones.append((index, None))
            case "else":
                if not open_ones or parts[open_ones[-1][0]].kind != "if" or open_ones[-1][1]:
                    raise MarkedError(part.line, "%{ else } stands in no %{ if … }")
                open_ones[-1] = (open_ones[-1][0], index)
            case "endif" | "endfor":
                wanted = part.kind.removeprefix("end")
                if not open_ones or parts[open_ones[-1][0]].kind != wanted:
                    raise MarkedError(part.line, f"%{{ {part.kind} }} closes no %{{ {wanted} … }}")
                start, middle = open_ones.pop()
                found[start] = (middle or index, index)
            case _:
                pass
    if open_ones:
        part = parts[open_ones[-1][0]]
        raise MarkedError(part.line, f"%{{ {part.kind} … }} lacks its %{{ end{part.kind} }}")
    return found


def _part(opening: str, inside: str, line: int) -> Part:
    before, after = inside.startswith("~"), inside.endswith("~")
    inside = inside[1:] if before else inside
    inside = inside[:-1] if after and inside else inside
    if opening == "${":
        return Part("value", inside, line, before, after)
    found = _DIRECTIVE.fullmatch(inside)
    if found is None:
        raise MarkedError(line, f"%{{{inside[:40]}}} is no directive; there are if, else and for")
    match found[1]:
        case "if" | "else" | "endif" | "for" | "endfor" as kind:
            return Part(kind, found[2], line, before, after)
        case _:
            raise AssertionError(found[1])


def _trimmed(parts: list[Part]) -> list[Part]:
    trimmed: list[Part] = []
    for index, part in enumerate(parts):
        if part.kind == "text":
            text = part.text
            if index and parts[index - 1].trims_after:
                text = text.lstrip()
            if index + 1 < len(parts) and parts[index + 1].trims_before:
                text = text.rstrip()
            part = msgspec.structs.replace(part, text=text)
        trimmed.append(part)
    return trimmed


def _unescaped(text: str, line: int, *, quoted: bool) -> str:
    if quoted and "\n" in text:
        raise MarkedError(line, "a quoted text ends on its line; write several as <<EOT … EOT")
    if not quoted or "\\" not in text:
        return text

    def character(found: re.Match[str]) -> str:
        letter = found[1]
        if len(letter) > 1:
            code = int(letter[1:], 16)
            if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
                raise MarkedError(line, f"\\{letter} is no character")
            return chr(code)
        if letter not in _ESCAPES:
            raise MarkedError(line, f"\\{letter} means nothing; write \\\\ for a backslash")
        return _ESCAPES[letter]

    return _ESCAPE.sub(character, text)


def _closing(text: str, at: int, line: int, depth: int = 0) -> int:
    """Where the `}` stands that closes what opened before `at`, past texts and objects in it."""
    if depth > MOST_DEPTH:
        raise MarkedError(line, f"is nested more than {MOST_DEPTH} levels deep")
    braces = 0
    while at < len(text):
        character = text[at]
        if character == '"':
            at = _text_end(text, at + 1, line, depth)
        elif character == "{":
            braces += 1
        elif character == "}":
            if not braces:
                return at
            braces -= 1
        at += 1
    raise MarkedError(line, "${ or %{ is not closed; write $${ or %%{ to mean these characters")


def _text_end(text: str, at: int, line: int, depth: int) -> int:
    while at < len(text) and text[at] != '"':
        if text[at] == "\\":
            at += 1
        elif text.startswith(("$${", "%%{"), at):
            at += 2
        elif text.startswith(("${", "%{"), at):
            at = _closing(text, at + 2, line, depth + 1)
        at += 1
    return at
