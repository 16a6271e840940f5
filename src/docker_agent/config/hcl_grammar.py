"""The parser of python-hcl2, what is wrong with a text said in words, and looking at its trees."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, TypeGuard, cast

import hcl2
import msgspec
from lark import Token, Tree
from lark.exceptions import UnexpectedInput, UnexpectedToken

from docker_agent.config.compose import MarkedError
from docker_agent.config.excerpt import BadSyntax, excerpt

Branch: TypeAlias = "Tree[Token] | Token"

_parses = cast("Callable[[str], Tree[Token]]", hcl2.parses_to_tree)  # pyright: ignore[reportUnknownMemberType]


class Parsed(msgspec.Struct, frozen=True):
    """A text and its tree, whose positions are places in the text."""

    text: str
    tree: Tree[Token]


def first_token(tree: Branch) -> str:
    """The first word of a tree, as written."""
    while isinstance(tree, Tree):
        tree = tree.children[0]
    return str(tree)


def parts(tree: Tree[Token]) -> list[Tree[Token]]:
    """The trees inside a tree, without punctuation, blanks and comments."""
    return [
        child
        for child in tree.children
        if isinstance(child, Tree) and child.data != "new_line_or_comment"
    ]


def parse(text: str) -> Tree[Token]:
    """The tree of a file. Raises `BadSyntax` with an excerpt."""
    try:
        return _parses(text)
    except UnexpectedInput as exc:
        raise _bad_syntax(text, exc) from None


def parse_expression(text: str, line: int) -> Parsed:
    """The tree of an expression inside a template. Raises `MarkedError`."""
    wrapped = f"x = ({text}\n)"
    try:
        (body,) = parts(parse(wrapped))
    except BadSyntax as exc:
        raise MarkedError(line, f"the expression {text.strip()!r} cannot be read") from exc
    attributes = parts(body)
    value = parts(attributes[0])[1]
    opens = value.children and isinstance(value.children[0], Token) and value.children[0] == "("
    if len(attributes) > 1 or not opens:
        raise MarkedError(line, f"{text.strip()!r} is no single expression")
    return Parsed(wrapped, value)


_SIGNS = {
    "EQ": "'='",
    "LBRACE": "'{'",
    "RBRACE": "'}'",
    "RSQB": "']'",
    "RPAR": "')'",
    "COMMA": "','",
}
_OPENING = {"DBLQUOTE", "LBRACE", "LSQB", "LPAR", "INTERP_START", "DIRECTIVE_START"}


def _bad_syntax(text: str, exc: UnexpectedInput) -> BadSyntax:
    line, column, said = exc.line, exc.column, "has no meaning here"
    if isinstance(exc, UnexpectedToken):
        line, column, said = _unexpected(exc)
    lines = text.split("\n")
    line = max(1, min(line, len(lines)))
    return BadSyntax(line, max(1, column), said + excerpt(lines[line - 1], max(1, column)))


def _unexpected(exc: UnexpectedToken) -> tuple[int, int, str]:
    """Line, column and words for a token that does not fit."""
    token = cast(Token, exc.token)  # pyright: ignore[reportUnknownMemberType] - it says no type
    under_way = _under_way(exc)
    opened = next((each for each in reversed(under_way) if _opens(each)), None)
    for found in (_text_over_lines(under_way), opened):
        if isinstance(found, Token) and found.type == "DBLQUOTE":
            return found.line or 1, found.column or 1, "this quote is not closed on its line"
    if opened is not None and token.type == "$END":
        said = f"{str(opened).strip()!r} is not closed before the file ends"
        return opened.line or 1, opened.column or 1, said
    if token.startswith("<<"):
        word = token.partition("\n")[0].lstrip("<-")
        said = f"this text is not closed: a line with nothing but {word} ends it"
        return exc.line, exc.column, said
    if token.type in ("INT_LITERAL", "FLOAT_LITERAL") and token.startswith("-"):
        return exc.line, exc.column, "write a blank behind the '-'"
    accepted = exc.accepts or exc.expected
    shown = repr(str(token).strip()[:20]) if token.strip() else "the end of the line"
    signs = [sign for name, sign in _SIGNS.items() if name in accepted]
    expected = "a value" if "INT_LITERAL" in accepted else " or ".join(signs)
    return exc.line, exc.column, f"unexpected {shown}; {expected or 'a name'} is expected"


def _under_way(exc: UnexpectedToken) -> list[Branch]:
    """What the parser had read and not finished, the innermost last."""
    stack = exc.interactive_parser.parser_state.value_stack  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return cast("list[Branch]", stack)


def _opens(branch: Branch) -> TypeGuard[Token]:
    return isinstance(branch, Token) and branch.type in _OPENING


def _text_over_lines(branches: list[Branch]) -> Token | None:
    """The opening quote of the first quoted text that ends on another line."""
    for branch in branches:
        if isinstance(branch, Tree):
            for text in branch.find_data("string"):
                if text.meta.end_line > text.meta.line and isinstance(text.children[0], Token):
                    return text.children[0]
    return None
