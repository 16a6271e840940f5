"""Expressions of HCL, evaluated on the parse tree of python-hcl2.

The names of trees are those of the rules in its grammar, `hcl2.lark`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

import msgspec
from lark import Token, Tree

from docker_agent.config.compose import MOST_NODES, MarkedError
from docker_agent.config.hcl_grammar import Branch, first_token, parse_expression, parts
from docker_agent.config.hcl_operators import binary, negated
from docker_agent.config.hcl_template import MOST_DEPTH, Names, Part, cut, dedented, render
from docker_agent.config.hcl_value import (
    Value,
    as_bool,
    as_text,
    element,
    kind,
    node,
    number,
    pairs,
)
from docker_agent.config.tree import Items, Node, Scalar, Table
from docker_agent.errors import ConfigError

ReadFile = Callable[[str], str]
"""The text of a file beside the agent file; raises `ConfigError` saying why there is none."""
NOTHING: Names = MappingProxyType({})


class Reading:
    """One reading of one file: what it may use, and how much it has evaluated so far."""

    def __init__(self, read_file: ReadFile) -> None:
        self.read_file = read_file
        self._steps = 0

    def step(self, line: int) -> None:
        """Count one evaluation. Raises `MarkedError` when there were too many."""
        self._steps += 1
        if self._steps > MOST_NODES:
            raise MarkedError(line, f"the file has more than {MOST_NODES} values")


class Scope(msgspec.Struct, frozen=True):
    """Where an expression stands: the text it is part of and the line that begins on, what names
    mean there, whether functions may be called, and in how many others it stands."""

    reading: Reading
    source: str
    first_line: int = 1
    names: Names = NOTHING
    calls: bool = True
    depth: int = 0

    def line(self, tree: Branch) -> int:
        """The line of the file at which a part of the tree begins."""
        line = tree.line if isinstance(tree, Token) else getattr(tree.meta, "line", 1)
        return self.first_line - 1 + (line or 1)

    def node(self, tree: Branch) -> Node:
        """An expression as a part of our tree; lists and objects keep their lines."""
        inner = _unwrapped(tree)
        line = self.line(inner)
        match inner:
            case Tree(data="tuple"):
                inside = self._deeper(line)
                return Items(line, tuple(inside.node(each) for each in parts(inner)))
            case Tree(data="object"):
                inside = self._deeper(line)
                entries: dict[str, tuple[Scalar, Node]] = {}
                for name, at, value in inside.elements(inner):
                    entries[name] = (Scalar(at, name), inside.node(value))
                return Table(line, entries)
            case _:
                return node(self.value(inner), line)

    def value(self, tree: Branch) -> Value:
        """What an expression comes to. Raises `MarkedError`."""
        inner = _unwrapped(tree)
        assert isinstance(inner, Tree)
        return _RULES[str(inner.data)](self._deeper(self.line(inner)), inner)

    def elements(self, tree: Tree[Token]) -> Iterator[tuple[str, int, Branch]]:
        """The keys of an object with their lines and values. Raises `MarkedError` for one that is
        there twice."""
        lines: dict[str, int] = {}
        for each in parts(tree):
            assert isinstance(each, Tree)
            key, value = parts(each)
            name, at = self._key(key), self.line(key)
            if name in lines:
                raise already_defined(at, name, lines[name])
            lines[name] = at
            yield name, at, value

    def _key(self, tree: Branch) -> str:
        """A bare word is itself; in parentheses it is a name like any other."""
        assert isinstance(tree, Tree)
        (written,) = parts(tree)
        word = written.children[0] if _is(written, "expr_term") else written
        if _is(word, "identifier", "keyword", "literal_value"):
            return first_token(word)
        return as_text(self.value(written), self.line(written))

    def text(self, cut_text: list[Part], names: Names = NOTHING) -> str:
        """A template's text, where also `names` mean something."""
        return render(cut_text, self._inner_value, names)

    def _inner_value(self, text: str, line: int, names: Names) -> Value:
        parsed = parse_expression(text, line)
        known = {**self.names, **names}
        here = Scope(self.reading, parsed.text, line, known, self.calls, self.depth)
        return here.value(parsed.tree)

    def string(self, tree: Tree[Token], quotes: int) -> Value:
        """A quoted text; a lone `${…}` in it keeps the kind of its value."""
        found = self.quoted(tree, quotes)
        if [part.kind for part in found] == ["value"]:
            return self._inner_value(found[0].text, found[0].line, NOTHING)
        return self.text(found)

    def quoted(self, tree: Tree[Token], quotes: int = 1) -> list[Part]:
        """The parts of a quoted text, around which stand `quotes` characters each."""
        text = self.source[tree.meta.start_pos + quotes : tree.meta.end_pos - quotes]
        return cut(text, self.line(tree), quoted=True)

    def _deeper(self, line: int) -> Scope:
        self.reading.step(line)
        if self.depth >= MOST_DEPTH:
            raise MarkedError(line, f"is nested more than {MOST_DEPTH} levels deep")
        return msgspec.structs.replace(self, depth=self.depth + 1)

    def knowing(self, names: Mapping[str, Value]) -> Scope:
        """The same place where more names mean something."""
        return msgspec.structs.replace(self, names={**self.names, **names})


def already_defined(line: int, name: str, first: int) -> MarkedError:
    """A key that is there twice."""
    return MarkedError(line, f"the key {name!r} is already defined at line {first}")


def _is(tree: Branch, *rules: str) -> bool:
    return isinstance(tree, Tree) and str(tree.data) in rules


def _unwrapped(tree: Branch) -> Branch:
    """What stands inside parentheses."""
    while isinstance(tree, Tree) and tree.data == "expr_term":
        (tree,) = parts(tree)
    return tree


def _name(scope: Scope, tree: Tree[Token]) -> Value:
    name = first_token(tree)
    if name in scope.names:
        return scope.names[name]
    line = scope.line(tree)
    if scope.names:
        raise MarkedError(line, f"{name!r} is not known; known are {', '.join(scope.names)}")
    raise MarkedError(
        line,
        f"{name!r} means nothing here: a text stands in quotes, and what is filled in when the "
        'agent runs is written "$${env.NAME}"',
    )


def _heredoc(scope: Scope, tree: Tree[Token], *, trims: bool) -> Value:
    opening, _, rest = first_token(tree).partition("\n")
    body = rest[: rest.rstrip().rfind("\n") + 1]
    assert opening.startswith("<<")
    body = dedented(body) if trims else body
    return scope.text(cut(body, scope.line(tree) + 1, quoted=False))


def _list(scope: Scope, tree: Tree[Token]) -> Value:
    return [scope.value(each) for each in parts(tree)]


def _object(scope: Scope, tree: Tree[Token]) -> Value:
    return {name: scope.value(value) for name, _, value in scope.elements(tree)}


def _literal(scope: Scope, tree: Tree[Token]) -> Value:
    return {"true": True, "false": False, "null": None}[first_token(tree)]


def _conditional(scope: Scope, tree: Tree[Token]) -> Value:
    test, then, otherwise = parts(tree)
    return scope.value(then if as_bool(scope.value(test), scope.line(test)) else otherwise)


def _binary(scope: Scope, tree: Tree[Token]) -> Value:
    left, term = parts(tree)
    operator, right = parts(term)
    symbol, line = first_token(operator).strip(), scope.line(left)
    return binary(symbol, scope.value(left), lambda: scope.value(right), line)


def _unary(scope: Scope, tree: Tree[Token]) -> Value:
    (inner,) = parts(tree)
    return negated(first_token(tree), scope.value(inner), scope.line(tree))


def _call(scope: Scope, tree: Tree[Token]) -> Value:
    line = scope.line(tree)
    name = "::".join(first_token(each) for each in parts(tree) if each.data == "identifier")
    if name != "file" or not scope.calls:
        there = "the only one is file(path)" if scope.calls else "a template file has none"
        raise MarkedError(line, f"there is no function {name!r}; {there}")
    arguments = [each for each in parts(tree) if each.data == "arguments"]
    values = [scope.value(each) for each in parts(arguments[0])] if arguments else []
    if len(values) not in (1, 2):
        raise MarkedError(line, "file takes a path, and perhaps an object of variables")
    path, names = values[0], values[1] if len(values) == 2 else None
    if not isinstance(path, str):
        raise MarkedError(line, f"file takes a path, not {kind(path)}")
    try:
        text = scope.reading.read_file(path)
    except ConfigError as exc:
        raise MarkedError(line, f"file({path!r}): {exc}") from None
    if len(values) == 1:
        return text
    if not isinstance(names, dict):
        raise MarkedError(line, f"the variables of file are an object, not {kind(names)}")
    try:
        inside = Scope(scope.reading, text, calls=False, depth=scope.depth)
        return inside.text(cut(text, 1, quoted=False), names)
    except MarkedError as exc:
        raise MarkedError(line, f"file({path!r}), its line {exc.line}: {exc}") from None


def _element(scope: Scope, tree: Tree[Token]) -> Value:
    term, index = parts(tree)
    return _step_into(scope, scope.value(term), index)


def _step_into(scope: Scope, value: Value, index: Tree[Token]) -> Value:
    line = scope.line(index)
    if index.data == "short_index":
        return element(value, str(index.children[1]), line)
    (key,) = parts(index)
    found = first_token(key) if index.data == "get_attr" else scope.value(key)
    return element(value, found, line)


def _splat(scope: Scope, tree: Tree[Token]) -> Value:
    term, splat = parts(tree)
    value = scope.value(term)
    found: list[Value] = value if isinstance(value, list) else [] if value is None else [value]
    for index in parts(splat):
        found = [_step_into(scope, each, index) for each in found]
    return found


def _each(scope: Scope, tree: Tree[Token]) -> Iterator[tuple[Scope, list[Tree[Token]]]]:
    """A place for every turn of a `for` whose condition holds, and what is to be evaluated."""
    intro, *body = parts(tree)
    condition = body.pop() if body[-1].data == "for_cond" else None
    *names, source = parts(intro)
    words = [first_token(name) for name in names]
    for key, value in pairs(scope.value(source), scope.line(source)):
        inside = scope.knowing(dict(zip(reversed(words), (value, key), strict=False)))
        if condition is None or as_bool(inside.value(parts(condition)[0]), inside.line(condition)):
            yield inside, body


def _for_list(scope: Scope, tree: Tree[Token]) -> Value:
    return [inside.value(body[0]) for inside, body in _each(scope, tree)]


def _for_object(scope: Scope, tree: Tree[Token]) -> Value:
    groups = any(isinstance(child, Token) and child.type == "ELLIPSIS" for child in tree.children)
    found: dict[str, Value] = {}
    for inside, (key, value) in _each(scope, tree):
        name, line = as_text(inside.value(key), inside.line(key)), inside.line(key)
        if groups:
            before = found.setdefault(name, [])
            assert isinstance(before, list)
            before.append(inside.value(value))
        elif name in found:
            raise MarkedError(line, f"the key {name!r} comes twice; write => value... to gather")
        else:
            found[name] = inside.value(value)
    return found


_Rule = Callable[[Scope, Tree[Token]], Value]
_RULES: Mapping[str, _Rule] = MappingProxyType(
    {
        "string": lambda scope, tree: scope.string(tree, 1),
        "template_string": lambda scope, tree: scope.string(tree, 2),
        "heredoc_template": lambda scope, tree: _heredoc(scope, tree, trims=False),
        "heredoc_template_trim": lambda scope, tree: _heredoc(scope, tree, trims=True),
        "int_lit": lambda scope, tree: number(first_token(tree), scope.line(tree)),
        "float_lit": lambda scope, tree: number(first_token(tree), scope.line(tree)),
        "literal_value": _literal,
        "identifier": _name,
        "keyword": _name,
        "tuple": _list,
        "object": _object,
        "conditional": _conditional,
        "binary_op": _binary,
        "unary_op": _unary,
        "function_call": _call,
        "index_expr_term": _element,
        "get_attr_expr_term": _element,
        "attr_splat_expr_term": _splat,
        "full_splat_expr_term": _splat,
        "for_tuple_expr": _for_list,
        "for_object_expr": _for_object,
    }
)
