"""Code cut at its functions, each with the comments before it, by a syntax tree. Source: runtime.md
§14.2, `code_aware`.

tree-sitter reads half-written code too. It is an extra; without it, and for languages that are not
here, code is cut as text.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import PurePath
from typing import Any, Protocol, cast

import msgspec

from docker_agent.tools.rag.chunks import Cut, pieces
from docker_agent.tools.rag.gentle import Gentle

MAX_CODE = 200_000
"""Bytes of a file that is read as code; the parser keeps the interpreter for itself as long as it
reads, so what is larger is cut as text."""

MAX_DEPTH = 4
"""Definitions inside of definitions that are looked into."""

MAX_HEADER = 200
"""Characters of a line that names what stands around a piece."""


_WORD = re.compile(rb"[0-9A-Za-z\x80-\xff]")


class Grammar(msgspec.Struct, frozen=True):
    """Where a language's grammar is, and which nodes of it define something."""

    package: str
    definitions: frozenset[str]
    function: str = "language"


def _grammar(package: str, definitions: str, function: str = "language") -> Grammar:
    return Grammar(package, frozenset(definitions.split()), function)


_SCRIPT = (
    "function_declaration generator_function_declaration class_declaration method_definition "
    "export_statement interface_declaration enum_declaration type_alias_declaration "
    "abstract_class_declaration internal_module"
)
_PYTHON = _grammar(
    "tree_sitter_python", "function_definition class_definition decorated_definition"
)
_GO = _grammar("tree_sitter_go", "function_declaration method_declaration type_declaration")
_JAVASCRIPT = _grammar("tree_sitter_javascript", _SCRIPT)
_TYPESCRIPT = _grammar("tree_sitter_typescript", _SCRIPT, "language_typescript")
_TSX = _grammar("tree_sitter_typescript", _SCRIPT, "language_tsx")
_RUST = _grammar(
    "tree_sitter_rust",
    "function_item impl_item struct_item enum_item trait_item mod_item macro_definition",
)
_JAVA = _grammar(
    "tree_sitter_java",
    "class_declaration interface_declaration enum_declaration record_declaration "
    "method_declaration constructor_declaration",
)

GRAMMARS: Mapping[str, Grammar] = {
    ".py": _PYTHON,
    ".pyi": _PYTHON,
    ".go": _GO,
    ".js": _JAVASCRIPT,
    ".jsx": _JAVASCRIPT,
    ".mjs": _JAVASCRIPT,
    ".cjs": _JAVASCRIPT,
    ".ts": _TYPESCRIPT,
    ".tsx": _TSX,
    ".rs": _RUST,
    ".java": _JAVA,
}
"""By the end of a file's name."""


class _Node(Protocol):
    """A node of a syntax tree, as far as it is used; places are bytes."""

    type: str
    start_byte: int
    end_byte: int
    children: Sequence[_Node]

    def child_by_field_name(self, name: str, /) -> _Node | None: ...


class Part(msgspec.Struct, frozen=True):
    """A piece of a file; `context` are the first lines of the definitions that it stands in."""

    content: str
    context: str = ""


class _Span(msgspec.Struct, frozen=True):
    start: int
    end: int
    context: tuple[str, ...] = ()


def has_parser() -> bool:
    """Whether code can be read as code here."""
    return importlib.util.find_spec("tree_sitter") is not None


def parts(name: str, text: str, cut: Cut, gentle: Gentle) -> Iterator[Part]:
    """The pieces of a file in order: of code its functions, of all else as text."""
    grammar = GRAMMARS.get(PurePath(name).suffix.lower()) if cut.code_aware else None
    data = text.encode("utf-8", "replace") if grammar else b""
    parser = _parser(grammar) if grammar and len(data) <= MAX_CODE else None
    if grammar is None or parser is None:
        spans = [_Span(0, 0)]
        data = b""
    else:
        spans = _Cutting(data, grammar, cut.size).spans(parser.parse(data).root_node.children)
    for span in spans:
        gentle.breathe()
        piece = data[span.start : span.end].decode("utf-8", "replace") if data else text
        for content in pieces(piece, cut):
            yield Part(content, "\n".join(span.context))


class _Parser(Protocol):
    def parse(self, source: bytes, /) -> Any: ...  # noqa: ANN401 - a tree of `_Node`


@cache
def _parser(grammar: Grammar) -> _Parser | None:
    """The parser of a language; None where it is not installed."""
    try:
        tree_sitter: Any = importlib.import_module("tree_sitter")
        package = importlib.import_module(grammar.package)
    except ImportError:
        return None
    language = tree_sitter.Language(getattr(package, grammar.function)())
    return cast(_Parser, tree_sitter.Parser(language))


class _Cutting:
    """One file being cut."""

    def __init__(self, data: bytes, grammar: Grammar, size: int) -> None:
        self._data = data
        self._grammar = grammar
        self._size = size

    def spans(
        self,
        nodes: Sequence[_Node],
        context: tuple[str, ...] = (),
        start: int = 0,
        end: int | None = None,
    ) -> list[_Span]:
        """The file, or what lies between `start` and `end`, as definitions and what is between
        them."""
        end = len(self._data) if end is None else end
        found: list[_Span] = []
        at = start
        for node, begin in self._definitions(nodes):
            begin = max(at, begin)
            found.append(_Span(at, begin, context))
            found += self._definition(node, begin, context)
            at = max(at, node.end_byte)
        found.append(_Span(at, end, context))
        return [span for span in found if _WORD.search(self._data, span.start, span.end)]

    def _definitions(self, nodes: Sequence[_Node]) -> Iterator[tuple[_Node, int]]:
        """Nodes that define something, and where each begins with the comments right before it."""
        comments: int | None = None
        last = 0
        for node in nodes:
            apart = b"\n\n" in self._data[last : node.start_byte].replace(b" ", b"")
            if "comment" in node.type or node.type == "attribute_item":
                comments = node.start_byte if comments is None or apart else comments
            elif node.type in self._grammar.definitions:
                begin = node.start_byte if comments is None or apart else comments
                yield node, self._line_start(begin)
                comments = None
            else:
                comments = None
            last = node.end_byte

    def _definition(self, node: _Node, begin: int, context: tuple[str, ...]) -> list[_Span]:
        """A definition in one piece; one that is too long by what it holds."""
        inner = node
        while (held := _held(inner)) is not None:
            inner = held
        body = inner.child_by_field_name("body")
        small = node.end_byte - begin <= self._size
        holds = body is not None and any(
            child.type in self._grammar.definitions for child in body.children
        )
        if small or body is None or not holds or len(context) >= MAX_DEPTH:
            return [_Span(begin, node.end_byte, context)]
        header = self._data[inner.start_byte : body.start_byte].decode("utf-8", "replace")
        within = (*context, " ".join(header.split())[:MAX_HEADER])
        return self.spans(body.children, within, begin, node.end_byte)

    def _line_start(self, at: int) -> int:
        """The beginning of the line, where only blanks stand before."""
        line = self._data.rfind(b"\n", 0, at) + 1
        return at if self._data[line:at].strip() else line


def _held(node: _Node) -> _Node | None:
    """What stands behind decorators, or behind `export`."""
    return node.child_by_field_name("definition") or node.child_by_field_name("declaration")
