"""Arguments as models write them, and the schemas that ask for them."""

from __future__ import annotations

import json
from typing import Annotated

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_agent.errors import ToolError
from docker_agent.messages import JSON
from docker_agent.tools.arguments import Parameters, schema
from tests.requirements import requirement


class Step(msgspec.Struct, frozen=True):
    """One step."""

    old: Annotated[str, msgspec.Meta(description="before")] = msgspec.field(name="oldText")
    new: str = msgspec.field(name="newText", default="")


class Wanted(msgspec.Struct, frozen=True):
    """All kinds of parameters."""

    path: Annotated[str, msgspec.Meta(description="The file.")]
    steps: tuple[Step, ...] = ()
    names: Annotated[list[str], msgspec.Meta(description="Some names.")] = []
    count: Annotated[int, msgspec.Meta(ge=0)] = 3
    ratio: float = 0.5
    flag: bool = False
    step: Step | None = None
    note: str | None = None


PARAMETERS = Parameters(Wanted)
A, B = Step("a", "b"), Step("c", "d")

REPAIRS: list[tuple[str, dict[str, JSON], Wanted]] = [
    ("nothing to repair", {"path": "x", "names": ["a"]}, Wanted("x", names=["a"])),
    ("unknown keys", {"path": "x", "why": {"deep": 1}}, Wanted("x")),
    ("list as text", {"path": "x", "names": '["a", "b"]'}, Wanted("x", names=["a", "b"])),
    ("one text for a list", {"path": "x", "names": "a"}, Wanted("x", names=["a"])),
    ("text that only looks like a list", {"path": "x", "names": "[a"}, Wanted("x", names=["[a"])),
    (
        "objects as text",
        {"path": "x", "steps": '[{"oldText": "a", "newText": "b"}]'},
        Wanted("x", (A,)),
    ),
    (
        "unescaped line breaks in text",
        {"path": "x", "steps": '[{"oldText": "1\n2", "newText": "3\n\t4"}]'},
        Wanted("x", (Step("1\n2", "3\n\t4"),)),
    ),
    (
        "one object for a list",
        {"path": "x", "steps": {"oldText": "a", "newText": "b"}},
        Wanted("x", (A,)),
    ),
    (
        "one object as text",
        {"path": "x", "steps": '{"oldText": "a", "newText": "b"}'},
        Wanted("x", (A,)),
    ),
    (
        "objects as text inside a list",
        {
            "path": "x",
            "steps": ['{"oldText": "a", "newText": "b"}', {"oldText": "c", "newText": "d"}],
        },
        Wanted("x", (A, B)),
    ),
    ("null for a default", {"path": "x", "count": None, "flag": None, "names": None}, Wanted("x")),
    ("null for a required text", {"path": None}, Wanted("")),
    (
        "null inside an object",
        {"path": "x", "steps": [{"oldText": None, "newText": None}]},
        Wanted("x", (Step(""),)),
    ),
    (
        "numbers and booleans as text",
        {"path": "x", "count": "7", "ratio": "0.25", "flag": "true"},
        Wanted("x", count=7, ratio=0.25, flag=True),
    ),
    ("a whole number with a point", {"path": "x", "count": 2.0}, Wanted("x", count=2)),
    ("null where null is allowed", {"path": "x", "note": None, "step": None}, Wanted("x")),
    (
        "an object as text where null is allowed",
        {"path": "x", "step": '{"oldText": "a", "newText": "b"}'},
        Wanted("x", step=A),
    ),
]


@requirement("tool:arguments:repairs")
@pytest.mark.parametrize(
    ("arguments", "wanted"), [row[1:] for row in REPAIRS], ids=[row[0] for row in REPAIRS]
)
def test_slips_that_models_make_are_repaired(arguments: dict[str, JSON], wanted: Wanted) -> None:
    """runtime.md §5.4: typed handlers."""
    assert PARAMETERS.read(arguments) == wanted


@requirement("tool:arguments:tidy")
@pytest.mark.parametrize(
    ("arguments", "wanted"), [row[1:] for row in REPAIRS], ids=[row[0] for row in REPAIRS]
)
def test_guards_are_shown_what_the_tool_reads(arguments: dict[str, JSON], wanted: Wanted) -> None:
    """runtime.md §5.4 R: the same repairs, and nothing of what was right is changed."""
    before = json.dumps(arguments)
    tidied = PARAMETERS.tidy(arguments)
    assert json.dumps(arguments) == before
    assert msgspec.convert(tidied, Wanted) == PARAMETERS.read(tidied) == wanted
    assert PARAMETERS.tidy(tidied) == tidied


@requirement("tool:arguments:tidy")
def test_what_cannot_be_repaired_is_shown_as_it_was_written() -> None:
    """runtime.md §5.4 R: guards see it, and the tool then refuses it."""
    odd: dict[str, JSON] = {"path": {"a": 1}, "count": "many", "why": {"deep": None}, "step": 5}
    assert PARAMETERS.tidy(odd) == odd
    assert PARAMETERS.tidy({"names": r'["\u0061", "b"]'}) == {"names": ["a", "b"]}
    deep: JSON = "[" * 100_000
    assert PARAMETERS.tidy({"names": deep}) == {"names": [deep]}


@requirement("tool:arguments:errors")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, ["`path`", "missing", '"path": {"description": "The file.", "type": "string"}']),
        ({"path": 5}, ["`path`", "Expected `str`", '"type": "string"', "required"]),
        ({"path": "x", "count": "many"}, ["`count`", "Expected `int`", "optional"]),
        ({"path": "x", "count": -1}, ["`count`", ">= 0", '"minimum": 0']),
        ({"path": "x", "steps": [{"newText": "b"}]}, ["`steps`", "`oldText`", '"oldText"']),
        ({"path": "x", "names": [["a"]]}, ["`names`", "Expected `str`"]),
    ],
)
def test_an_argument_that_cannot_be_read_is_named_with_its_schema(
    arguments: dict[str, JSON], words: list[str]
) -> None:
    """runtime.md §5.4 R: name the field, show the schema line."""
    with pytest.raises(ToolError) as caught:
        PARAMETERS.read(arguments)
    assert not [word for word in words if word not in str(caught.value)]


@requirement("tool:arguments:schema")
def test_a_schema_stands_for_itself() -> None:
    """runtime.md §8.5: an object with properties; models do not follow references."""
    found = schema(Wanted)
    jsonschema.Draft202012Validator.check_schema(found)
    text = msgspec.json.encode(found).decode()
    assert list(found) == ["type", "properties", "required"]
    assert found["type"] == "object"
    assert found["required"] == ["path"]
    assert found["properties"]["steps"]["items"]["required"] == ["oldText"]
    assert found["properties"]["step"]["properties"]["oldText"]["description"] == "before"
    assert found["properties"]["note"] == {"type": "string"}
    assert not [word for word in ("$ref", "$defs", '"title"', "null") if word in text]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
STEPS = st.builds(Step, st.text(), st.text())
WANTED = st.builds(
    Wanted,
    path=st.text(),
    steps=st.lists(STEPS, max_size=3).map(tuple),
    names=st.lists(st.text(), max_size=3),
    count=st.integers(0, 2**53),
    flag=st.booleans(),
    step=st.none() | STEPS,
)


@requirement("tool:arguments:repairs")
@given(WANTED)
def test_arguments_without_slips_are_read_as_they_are(wanted: Wanted) -> None:
    """runtime.md §5.4: a repair never changes what was right."""
    arguments = msgspec.json.decode(msgspec.json.encode(wanted))
    assert PARAMETERS.read(arguments) == wanted


@requirement("tool:arguments:errors")
@given(st.dictionaries(st.sampled_from(["path", "steps", "names", "count", "x"]), JSON_VALUES))
def test_whatever_a_model_writes_is_read_or_refused(arguments: dict[str, JSON]) -> None:
    """runtime.md §5.4: no other error ever leaves."""
    try:
        assert isinstance(PARAMETERS.read(arguments), Wanted)
    except ToolError as exc:
        assert "`" in str(exc)
