"""What an entry of an agent file puts around its toolset. Source: runtime.md §8.3 and §9.21."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from docker_agent.errors import ConfigError, ToolError
from docker_agent.messages import JSON, NO_TOOLS, ToolList, ToolResult, ToolSpec
from docker_agent.tools.deferred import Deferred, Hidden, activated
from docker_agent.tools.port import READY, Around, CallContext, Draft, Scope, Status
from docker_agent.tools.rewritten import Described, Modelled, Tooned, shorter, toon_patterns
from docker_agent.tools.toon import encode
from tests.requirements import requirement
from tests.tools.surroundings import around, context

pytestmark = pytest.mark.anyio


class Shop:
    """A toolset that answers with what it was given."""

    scope: Scope = "team"
    status: Status = READY

    def __init__(self, *names: str, name: str = "shop", takes: bool = True) -> None:
        self.name = name
        self.answer: ToolResult | None = None
        self.broken = False
        schema: dict[str, JSON] = {
            "type": "object",
            "properties": {"x": {"type": "string"}},
            "required": [],
        }
        self.listing = ToolList(
            [ToolSpec(each, f"Does {each}.", schema, takes_description=takes) for each in names],
            instructions=f"## {name}",
        )

    async def tools(self, around: Around) -> ToolList:
        if self.broken:
            raise ToolError("gone")
        return self.listing

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        return self.answer or ToolResult(json.dumps({"tool": name, **arguments}))


CASES: Mapping[str, tuple[dict[str, JSON], str]] = {
    "plain values": (
        {"a": 1, "b": "x y", "c": True, "d": None, "e": 2.50, "f": 1e21, "g": -0.0},
        "a: 1\nb: x y\nc: true\nd: null\ne: 2.5\nf: 1000000000000000000000\ng: 0",
    ),
    "small numbers": ({"a": 1e-7}, "a: 0.0000001"),
    "texts that read as something else": (
        {"a": "", "b": "true", "c": "12", "d": " x", "e": "a: b", "f": "-x", "g": "1e5"},
        'a: ""\nb: "true"\nc: "12"\nd: " x"\ne: "a: b"\nf: "-x"\ng: "1e5"',
    ),
    "escapes": ({"a": 'q" \\ \n\t'}, 'a: "q\\" \\\\ \\n\\t"'),
    "keys": ({"a b": 1, "a.b": 2, "": 3, "1x": 4}, '"a b": 1\na.b: 2\n"": 3\n"1x": 4'),
    "objects": ({"a": {"b": {"c": 1}}, "d": {}}, "a:\n  b:\n    c: 1\nd:"),
    "lists": ({"a": ["x", 1, "b,c"], "b": []}, 'a[3]: x,1,"b,c"\nb[0]:'),
    "tables": (
        {"rows": [{"id": 1, "n": "Ann"}, {"n": "B,b", "id": 2}]},
        'rows[2]{id,n}:\n  1,Ann\n  2,"B,b"',
    ),
    "mixed lists": (
        {"a": [1, {"b": 2, "c": {"d": 3}}, [4, 5], {}]},
        "a[4]:\n  - 1\n  - b: 2\n    c:\n      d: 3\n  - [2]: 4,5\n  -",
    ),
    "a table in a list": (
        {"a": [{"t": [{"x": 1}, {"x": 2}], "y": 3}]},
        "a[1]:\n  - t[2]{x}:\n      1\n      2\n    y: 3",
    ),
    "nested lists in rows are no table": (
        {"a": [{"b": [1]}, {"b": [2]}]},
        "a[2]:\n  - b[1]: 1\n  - b[1]: 2",
    ),
}


@requirement("options:toon")
@pytest.mark.parametrize(("value", "text"), CASES.values(), ids=CASES.keys())
def test_an_object_is_written_in_toon(value: dict[str, JSON], text: str) -> None:
    """The format's specification, version 3: indentation, tables, quotes only where needed."""
    assert encode(value) == text


@requirement("options:toon")
@pytest.mark.parametrize(
    "text", ["", "hello", "[1, 2]", '"x"', "{broken", "7", '{"a": ' * 2000, " { not json }"]
)
def test_what_is_no_object_stays(text: str) -> None:
    """runtime.md §8.3: non-JSON and JSON arrays are left as they are."""
    assert shorter(text) == text


@requirement("options:toon")
async def test_only_the_named_tools_write_toon() -> None:
    """runtime.md §8.3: tools whose name matches any expression; errors stay."""
    shop = Shop("list_items", "get", "drop")
    toolset = Tooned(shop, toon_patterns("^list_, ^drop$"))
    assert (await toolset.call("list_items", {"x": "1"}, context())).text == (
        'tool: list_items\nx: "1"'
    )
    assert (await toolset.call("get", {}, context())).text == '{"tool": "get"}'
    shop.answer = ToolResult("{}", is_error=True)
    assert await toolset.call("drop", {}, context()) is shop.answer
    assert await toolset.tools(around()) is await toolset.tools(around())
    with pytest.raises(ConfigError, match="is no list of regular expressions"):
        toon_patterns("a, (")


@requirement("options:model")
async def test_a_result_names_the_model_of_the_next_call() -> None:
    """runtime.md §8.3, `model`: unless the tool itself has named one."""
    shop = Shop("a")
    toolset = Modelled(shop, "openai/x")
    assert (await toolset.call("a", {}, context())).next_model == "openai/x"
    shop.answer = ToolResult("", next_model="own")
    assert (await toolset.call("a", {}, context())).next_model == "own"


@requirement("options:description")
async def test_a_call_may_say_what_it_is_for() -> None:
    """runtime.md §8.3: an optional parameter, taken out before the tool runs."""
    toolset = Described(Shop("a"))
    (spec,) = (await toolset.tools(around())).specs
    assert spec.parameters["properties"]["description"]["type"] == "string"
    assert spec.parameters["required"] == []
    result = await toolset.call("a", {"x": "1", "description": "why"}, context())
    assert json.loads(result.text) == {"tool": "a", "x": "1"}


@requirement("options:description")
async def test_a_tool_that_did_not_ask_keeps_its_own_description() -> None:
    """runtime.md §8.3: only tools that ask for it; a parameter of that name stays theirs."""
    own = Shop("a")
    schema = {"type": "object", "properties": {"description": {"type": "number"}}}
    own.listing = ToolList([ToolSpec("a", "", schema, takes_description=True)])
    for toolset in (Described(Shop("a", takes=False)), Described(own)):
        before = (await toolset.tools(around())).specs[0].parameters["properties"]
        assert before.get("description") in (None, {"type": "number"})
        result = await toolset.call("a", {"description": "mine"}, context())
        assert json.loads(result.text)["description"] == "mine"


def at(state: Draft, agent: str = "root") -> Around:
    """The surroundings of a listing with this state."""
    return Around(agent, "", None, {}, state)


@requirement("tool:arguments:tidy")
async def test_rules_see_a_name_as_the_search_reads_it() -> None:
    """runtime.md §5.4 R: also the tools that come with others."""
    for spec in (await Deferred([]).tools(around())).specs:
        assert spec.tidy is not None
        [known] = spec.parameters["properties"]
        assert spec.tidy({known: ["a", 1]}) == {known: ["a", 1]}
        assert spec.tidy({known: None, "x": None}) == {known: "", "x": None}


@requirement("options:defer")
async def test_deferred_tools_show_once_they_are_activated() -> None:
    """runtime.md §9.21: found by words, activated by name, there from the next turn on."""
    hidden = Hidden(Shop("read_mail", "send_mail", "weather"))
    search, state = Deferred([hidden]), Draft()
    assert await hidden.tools(at(state)) is NO_TOOLS
    found = await search.call("search_tool", {"query": "mail, please"}, context(state))
    head, body = found.text.split("\n")
    assert head == "Found 2 deferred tool(s):"
    assert json.loads(body)[0] == {"name": "read_mail", "description": "Does read_mail."}
    added = await search.call("add_tool", {"name": "send_mail"}, context(state))
    assert "Does send_mail." in added.text
    listing = await hidden.tools(at(state))
    assert ([spec.name for spec in listing.specs], listing.instructions) == (
        ["send_mail"],
        "## shop",
    )
    assert await hidden.tools(at(state)) is listing
    again = await search.call("add_tool", {"name": "send_mail"}, context(state))
    assert "already active" in again.text
    for name, arguments in (("search_tool", {"query": "boats"}), ("add_tool", {"name": "boat"})):
        assert (await search.call(name, {**arguments}, context(state))).is_error


@requirement("options:defer")
async def test_what_one_conversation_activates_no_other_sees() -> None:
    """runtime.md §1.3: the activation set belongs to the conversation, and to the agent."""
    hidden = Hidden(Shop("a", "b"))
    search, mine, yours = Deferred([hidden]), Draft(), Draft()
    await search.call("add_tool", {"name": "a"}, context(mine))
    await search.call("add_tool", {"name": "b"}, context(yours))
    names = [[spec.name for spec in (await hidden.tools(at(each))).specs] for each in (mine, yours)]
    assert names == [["a"], ["b"]]
    assert await hidden.tools(at(mine, "other")) is NO_TOOLS
    assert activated(Draft(mine.entries()), "root") == {"a"}
    assert search.scope == "conversation"


@requirement("options:defer")
async def test_some_tools_of_a_toolset_can_be_deferred() -> None:
    """agent-file.md §2.9: a list of names, with or without the toolset's prefix."""
    hidden = Hidden(Shop("shop_a", "b", "c"), ["a", "b"])
    assert [spec.name for spec in (await hidden.tools(around())).specs] == ["c"]
    assert [spec.name for spec in await hidden.hidden(around())] == ["shop_a", "b"]


@requirement("options:defer")
async def test_a_toolset_that_cannot_list_hides_no_other() -> None:
    """runtime.md §8.4: the others are found all the same."""
    broken, shop = Shop("x", name="far"), Shop("a")
    broken.broken = True
    search = Deferred([Hidden(broken), Hidden(shop)])
    listing = await search.tools(around())
    assert "far, shop" in listing.instructions
    assert all(spec.harmless and spec.read_only for spec in listing.specs)
    found = await search.call("search_tool", {"query": ""}, context())
    assert "Does a." in found.text
    with pytest.raises(ToolError, match="cannot be listed now: far: gone"):
        await Deferred([Hidden(broken)]).call("search_tool", {"query": "x"}, context())
