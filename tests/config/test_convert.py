"""How adapters read their own options: strictly, with the same errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
import pytest

from docker_agent.config.convert import convert
from docker_agent.config.marks import DURATION, ONE_OR_MANY, REST, Seconds
from docker_agent.config.tree import NOWHERE, Placed, Raw
from docker_agent.errors import ConfigError
from tests.config.reading import tree
from tests.requirements import requirement


class Point(msgspec.Struct, frozen=True):
    """A value inside another."""

    x: int
    y: int = 0


class Options(Placed, frozen=True, kw_only=True):
    """Every type a field may have."""

    text: str = "default"
    number: float = 0.5
    whole: Annotated[int, msgspec.Meta(ge=1, le=9)] = 1
    flag: bool | None = None
    mode: Literal["fast", "slow"] = "fast"
    words: tuple[str, ...] = ()
    one_or_many: str | tuple[str, ...] = ()
    amount: int | str = 0
    share: float | bool = False
    names: Mapping[str, str] = {}
    points: Annotated[tuple[Point, ...], ONE_OR_MANY] = ()
    by_name: Mapping[str, Point] = {}
    wait: Annotated[float, DURATION] = 1.0
    limit: Seconds | None = None
    schema: Raw | None = None
    anything: Any = None
    renamed: str = msgspec.field(default="", name="reNamed")


class Open(msgspec.Struct, frozen=True):
    """A declared key, and the rest."""

    known: str = ""
    rest: Annotated[Raw, REST] = NOWHERE


@requirement("file:convert:types")
@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("text: 0x10", "text", "0x10"),
        ("text: ~", "text", "default"),
        ("number: 2", "number", 2.0),
        ("number: 1e3", "number", 1000.0),
        ("whole: 3.0", "whole", 3),
        ("flag: true", "flag", True),
        ("flag: null", "flag", None),
        ("mode: slow", "mode", "slow"),
        ("words: [a, 1, true]", "words", ("a", "1", "true")),
        ("one_or_many: a", "one_or_many", "a"),
        ("one_or_many: [a]", "one_or_many", ("a",)),
        ("amount: 5", "amount", 5),
        ("amount: '5'", "amount", "5"),
        ("amount: 5.5", "amount", "5.5"),
        ("share: 1", "share", 1.0),
        ("share: true", "share", True),
        ("names: {a: 1, b: null}", "names", {"a": "1"}),
        ("points: {x: 1}", "points", (Point(1),)),
        ("points: [{x: 1}, {x: 2, y: 3}]", "points", (Point(1), Point(2, 3))),
        ("by_name: {a: {x: 1}}", "by_name", {"a": Point(1)}),
        ("wait: 1m", "wait", 60.0),
        ("limit: 5", "limit", 5.0),
        ("anything: {a: [1, .5, null]}", "anything", {"a": [1, 0.5, None]}),
        ("reNamed: x", "renamed", "x"),
    ],
)
def test_a_field_is_read_by_its_type(text: str, field: str, value: object) -> None:
    """agent-file.md §1.4; DESIGN.md §2: each adapter owns its options Struct."""
    assert getattr(convert(tree(text), Options), field) == value


@requirement("file:convert:types")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("number: .inf", "number: .inf is no finite number"),
        ("number: '1'", "number: '1' is a text; a number is expected"),
        ("whole: 10", "whole: must be at least 1 and at most 9, got 10"),
        ("whole: true", "whole: true is true or false; a whole number is expected"),
        ("mode: fats", "mode: 'fats' is not possible here; did you mean 'fast'?"),
        ("mode: zzz", "mode: 'zzz' is not possible here; use one of fast, slow"),
        ("one_or_many: {}", "one_or_many: is a mapping; a text or a list is expected"),
        ("share: x", "share: is a text; a number or true or false is expected"),
        ("names: [a]", "names: is a list; a mapping is expected"),
        ("names: {a: []}", "names.a: is a list; a text is expected"),
        ("points: [{y: 1}]", "points[0]: the key 'x' is missing"),
        ("points: x", "points: is a text; a list is expected"),
        ("by_name: {a: }", "by_name.a: the key 'x' is missing"),
        ("wait: true", "wait: true is true or false; a duration such as 30s is expected"),
        ("limit: -5", "limit: must be at least 0, got -5"),
        ("source: x", "unknown key 'source'"),
        ("renamed: x", "unknown key 'renamed'; did you mean 'reNamed'?"),
    ],
)
def test_what_does_not_fit_a_field_is_said(text: str, said: str) -> None:
    """STYLE.md, Errors: what was wrong, where, and what would be right."""
    with pytest.raises(ConfigError) as raised:
        convert(tree(text), Options)
    assert str(raised.value) == f"agent.yaml:1: {said}"


@requirement("file:convert:place")
def test_a_part_keeps_its_place_and_its_plain_data() -> None:
    """DESIGN.md §2: an unknown key is still an error with file, line and path."""
    options = convert(tree("text: a\nschema:\n  type: object\n  a: [1]\n"), Options)
    schema = options.schema
    assert schema is not None
    assert (schema.file, schema.line, schema.path) == ("agent.yaml", 3, "schema")
    assert schema.plain() == {"type": "object", "a": [1]}
    assert str(schema.error("bad")) == "agent.yaml:3: schema: bad"
    assert str(options.error("bad", "text")) == "agent.yaml:1: text: bad"
    assert str(options.error("bad", "mode")) == "agent.yaml:1: mode: bad"
    assert str(options.error("bad")) == "agent.yaml:1: bad"
    with pytest.raises(ConfigError, match=r"^agent.yaml:3: schema: unknown key 'type'"):
        convert(schema, Point)


@requirement("file:convert:rest")
def test_keys_that_are_not_declared_can_be_kept() -> None:
    """DESIGN.md §2: config keeps the raw mapping."""
    found = convert(tree("known: a\nother: 1\nmore: [2]\n"), Open)
    assert found.known == "a"
    assert found.rest.plain() == {"other": 1, "more": [2]}
