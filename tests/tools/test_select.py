"""What every toolset entry may ask for."""

from __future__ import annotations

import logging

import pytest

from docker_agent.messages import JSON, ToolList, ToolResult, ToolSpec
from docker_agent.tools.port import READY, Around, CallContext, Scope, Status, Toolset
from docker_agent.tools.select import select
from tests.requirements import requirement
from tests.tools.surroundings import around, context

pytestmark = pytest.mark.anyio

READ = ToolSpec("notes_read", "Read.", {"type": "object"}, read_only=True)
WRITE = ToolSpec("notes_write", "Write.", {"type": "object"})


class Notes:
    """A toolset whose listing can be changed."""

    name = "notes"
    scope: Scope = "caller"

    def __init__(self) -> None:
        self.listing = ToolList([READ, WRITE], instructions="Take notes.")

    @property
    def status(self) -> Status:
        return READY

    async def tools(self, around: Around) -> ToolList:
        return self.listing

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        return ToolResult(f"called {name}")


async def names(toolset: Toolset) -> list[str]:
    return [spec.name for spec in (await toolset.tools(around())).specs]


@requirement("tool:select:tools")
@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (["notes_write"], ["notes_write"]),
        (["write", "read"], ["notes_read", "notes_write"]),
        (["nope"], []),
        ([], ["notes_read", "notes_write"]),
        (None, ["notes_read", "notes_write"]),
    ],
)
async def test_only_the_named_tools_are_listed(wanted: list[str] | None, found: list[str]) -> None:
    """runtime.md §8.3, `tools`: exposed names, with or without the prefix."""
    assert await names(select(Notes(), tools=wanted)) == found


@requirement("tool:select:tools")
async def test_a_name_that_no_tool_has_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """runtime.md §8.3, `tools`: warn on names that match nothing."""
    notes = Notes()
    toolset = select(notes, tools=["nope", "read"])
    with caplog.at_level(logging.WARNING):
        await toolset.tools(around())
        notes.listing = ToolList([READ])
        await toolset.tools(around())
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "'nope'" in caplog.text
    assert "notes_read" in caplog.text


@requirement("tool:select:readonly")
async def test_readonly_keeps_tools_with_the_hint() -> None:
    """runtime.md §8.3, `readonly`."""
    assert await names(select(Notes(), readonly=True)) == ["notes_read"]
    assert await names(select(Notes(), tools=["write"], readonly=True)) == []


@requirement("tool:select:instruction")
@pytest.mark.parametrize(
    ("instruction", "text"),
    [
        (None, "Take notes."),
        ("", ""),
        ("Be brief.", "Be brief."),
        (
            "First.\n{ORIGINAL_INSTRUCTIONS}\n{ORIGINAL_INSTRUCTIONS}",
            "First.\nTake notes.\n{ORIGINAL_INSTRUCTIONS}",
        ),
    ],
)
async def test_the_instruction_replaces_the_prompt_text(instruction: str | None, text: str) -> None:
    """agent-file.md §2.9, `instruction`."""
    listing = await select(Notes(), instruction=instruction).tools(around())
    assert listing.instructions == text
    assert [spec.name for spec in listing.specs] == ["notes_read", "notes_write"]


@requirement("tool:select:tools")
async def test_a_listing_that_did_not_change_is_the_same_object() -> None:
    """tools/port.py: the same object until something changed, so that its JSON is written once."""
    notes = Notes()
    toolset = select(notes, tools=["read"], readonly=True, instruction="x")
    first, other = notes.listing, ToolList([READ])
    before = await toolset.tools(around())
    notes.listing = other
    between = await toolset.tools(around())
    notes.listing = first
    assert await toolset.tools(around()) is before
    assert between is not before


@requirement("tool:select:tools")
async def test_calls_and_everything_else_pass_through() -> None:
    """runtime.md §8.2: decorators show the toolset inside."""
    toolset = select(Notes(), tools=["read"], instruction="x")
    result = await toolset.call("notes_read", {}, context())
    assert (toolset.name, toolset.scope, toolset.status) == ("notes", "caller", READY)
    assert result.text == "called notes_read"
