"""Answers that are given again: for whom, when not, and where they are kept."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import anyio
import pytest

from docker_agent.errors import ModelError
from docker_agent.loader.answer_file import FileAnswers
from docker_agent.messages import (
    JSON,
    AssistantMessage,
    Format,
    ImagePart,
    Message,
    Sampling,
    SystemMessage,
    TextPart,
    ToolList,
    ToolSpec,
    UserMessage,
)
from docker_agent.runtime.agent import Agent
from docker_agent.runtime.answers import Caching, MemoryAnswers
from docker_agent.runtime.loop import run
from docker_agent.runtime.request import Outcome, Overrides, RunRequest
from docker_agent.tools.port import CallContext
from tests.requirements import requirement
from tests.runtime.players import (
    PATIENCE,
    Actor,
    Listener,
    Play,
    Tool,
    Tools,
    agent,
    call,
    says,
    team,
)

pytestmark = pytest.mark.anyio


def caching(agent: Agent, **more: bool) -> Agent:
    """The agent with a cache of its own."""
    return dataclasses.replace(agent, caching=Caching(MemoryAnswers(), "v1", **more))


def numbered(*more: Play, **options: bool) -> Agent:
    """An agent that answers `1`, `2`, … unless it is told otherwise first."""
    return caching(agent("root", Actor(*more, *(str(n) for n in range(1, 9)))), **options)


async def said(of: Agent, *messages: Message | str, **fields: JSON) -> Outcome:
    """One run, heard as it is answered."""
    new = tuple(UserMessage(one) if isinstance(one, str) else one for one in messages)
    listener = Listener()
    with anyio.fail_after(PATIENCE):
        outcome = await run(team(of), RunRequest("r", of.name, new, **fields), listener)
    assert outcome.failure is not None or listener.text() == outcome.text
    return outcome


@requirement("runtime:16.2:cache")
async def test_the_same_question_gets_the_same_answer_without_a_model() -> None:
    """runtime.md §16.2: the text is emitted, kept as the assistant's message, and costs nothing."""
    root = numbered()
    first, second = await said(root, "Hello"), await said(root, "hello")
    assert (first.text, second.text, second.finish) == ("1", "1", "stop")
    assert second.conversation.messages[-1] == AssistantMessage("1", agent="root")
    assert second.usage.prompt == 0
    assert (await said(root, "other")).text == "2"


OTHERWISE: dict[str, tuple[tuple[Message | str, ...], dict[str, JSON]]] = {
    "another caller": (("q",), {"caller": "bob"}),
    "a history": (("q0", AssistantMessage("a"), "q"), {}),
    "instructions": ((SystemMessage("s"), "q"), {}),
    "a picture": ((UserMessage((TextPart("q"), ImagePart("data:1"))),), {}),
    "sampling": (("q",), {"overrides": Overrides(Sampling(temperature=1.0))}),
    "a format": (("q",), {"overrides": Overrides(format=Format("json_object"))}),
    "tools": (("q",), {"client_tools": ToolList([ToolSpec("t", "", {})])}),
    "headers": (("q",), {"headers": {"x": "1"}}),
}


@requirement("runtime:16.2:cache")
@pytest.mark.parametrize(("messages", "fields"), OTHERWISE.values(), ids=OTHERWISE.keys())
async def test_another_question_is_asked(
    messages: tuple[Message | str, ...], fields: dict[str, JSON]
) -> None:
    """runtime.md §16.2: the key holds the whole list, pictures, wishes and the caller."""
    root = numbered()
    assert (await said(root, "q", caller="ann")).text == "1"
    fields = {"caller": "ann", **fields}
    assert (await said(root, *messages, **fields)).text == "2"
    assert (await said(root, *messages, **fields)).text == "2"


@requirement("runtime:16.2:cache")
@pytest.mark.parametrize(
    ("options", "same"),
    [
        ({}, ["Q"]),
        ({"fold_case": False}, []),
        ({"trim": True}, ["Q", " q\n"]),
        ({"fold_case": False, "trim": True}, [" q\n"]),
    ],
)
async def test_differences_that_do_not_count(options: dict[str, bool], same: list[str]) -> None:
    """agent-file.md §2.4: `case_sensitive` and `trim_spaces`."""
    root = numbered(**options)
    await said(root, "q")
    assert [text for text in ("Q", " q\n") if (await said(root, text)).text == "1"] == same


class Marked(Tools):
    """Tools with hints."""

    def __init__(self, tool: Tool, *, read_only: bool) -> None:
        super().__init__({"t": tool})
        self._listing = ToolList([ToolSpec("t", "", {}, read_only=read_only)])


async def look(arguments: dict[str, JSON], context: CallContext) -> str:
    """A tool that looks."""
    return "seen"


async def note(arguments: dict[str, JSON], context: CallContext) -> str:
    """A tool that keeps something in the conversation."""
    context.state.put("note", b"x")
    return "noted"


@requirement("runtime:16.2:not")
@pytest.mark.parametrize(
    ("tool", "read_only", "again"), [(look, True, "1"), (look, False, "2"), (note, True, "2")]
)
async def test_a_run_that_changed_something_is_run_again(
    tool: Tool, read_only: bool, again: str
) -> None:
    """runtime.md §16.2: skip when tools with side effects ran."""
    of = caching(
        agent(
            "root",
            Actor((call("t"),), "1", (call("t"),), "2"),
            Marked(tool, read_only=read_only),
        )
    )
    assert (await said(of, "q")).text == "1"
    assert (await said(of, "q")).text == again


@requirement("runtime:16.2:not")
@pytest.mark.parametrize(
    "play",
    [
        says("0", finish="length"),
        says("0", finish="content_filter"),
        " ",
        ModelError("timeout", ""),
    ],
)
async def test_what_was_cut_short_is_not_kept(play: Play) -> None:
    """runtime.md §16.2: a natural stop with an answer."""
    root = numbered(play)
    await said(root, "q")
    assert (await said(root, "q")).text == "1"


@requirement("runtime:16.2:not")
async def test_side_requests_are_not_cached() -> None:
    """chat-server.md §7: they run without tools and belong to nobody."""
    root = numbered()
    await said(root, "q", tools_off=True)
    assert (await said(root, "q")).text == "2"


@requirement("runtime:16.2:cache")
async def test_answers_in_memory_are_bounded_in_number_and_time() -> None:
    """runtime.md §16.2: LRU and TTL."""
    now = 0.0
    kept = MemoryAnswers(2, 10.0, lambda: now)
    for key in "ab":
        await kept.put(key, key)
    await kept.get("a")
    await kept.put("c", "c")
    assert [await kept.get(key) for key in "abc"] == ["a", None, "c"]
    now = 10.0
    assert await kept.get("a") is None


@requirement("runtime:16.2:file")
async def test_answers_in_a_file_are_shared_and_bounded(tmp_path: Path) -> None:
    """agent-file.md §2.4: a flat JSON object, read again when it changed."""
    path = tmp_path / "sub" / "cache.json"
    one, other = FileAnswers(path, 2), FileAnswers(path, 2)
    assert await one.get("a") is None
    await one.put("a", "1")
    assert await other.get("a") == "1"
    await other.put("b", "2")
    await one.put("c", "3")
    assert {key: each["text"] for key, each in json.loads(path.read_text()).items()} == {
        "b": "2",
        "c": "3",
    }
    assert [await other.get(key) for key in "abc"] == [None, "2", "3"]
    path.write_text("broken")
    assert await one.get("b") is None
    await one.put("d", "4")
    assert [*json.loads(path.read_text())] == ["d"]
    assert sorted(each.name for each in path.parent.iterdir()) == ["cache.json", "cache.json.lock"]


@requirement("runtime:16.2:file")
async def test_answers_in_a_file_grow_old(tmp_path: Path) -> None:
    """runtime.md §16.2 R: as those in memory do; what is too old leaves the file too."""
    clock, path = [1_000_000.0], tmp_path / "cache.json"
    path.write_text('{"plain": "0"}')
    os.utime(path, (clock[0] - 50, clock[0] - 50))
    answers = FileAnswers(path, ttl=100, now=lambda: clock[0])
    assert await answers.get("plain") == "0"
    await answers.put("a", "1")
    clock[0] += 60
    assert [await answers.get(key) for key in ("plain", "a")] == [None, "1"]
    await answers.put("b", "2")
    assert sorted(json.loads(path.read_text())) == ["a", "b"]
    clock[0] += 60
    assert [await answers.get(key) for key in "ab"] == [None, "2"]


@requirement("runtime:16.2:file")
async def test_a_file_that_cannot_be_written_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """agent-file.md §2.4: the answer is given all the same."""
    (tmp_path / "f").write_text("")
    await FileAnswers(tmp_path / "f" / "cache.json").put("a", "1")
    assert "cannot be written" in caplog.text
