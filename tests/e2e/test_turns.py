"""Conversations under fire: many writers, failures, vanishing clients, signals. Nothing that was
answered is lost, nothing is doubled, nothing gets into another conversation. Source: chat-server.md
§1 and §7."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from tests.conftest import Serve
from tests.e2e import table
from tests.e2e.load import PATIENCE, Ended, chat, leave, many, memory_of
from tests.harness import Server, agent_yaml
from tests.requirements import requirement
from tests.scripted.gate import Gate
from tests.scripted.heard import Heard
from tests.scripted.model import Scripted
from tests.scripted.parts import begin, call, die, endless, fail, hold, paced, say, stream_error
from tests.scripted.steps import Reply

CONVERSATIONS = 100
WRITERS = 20
EACH = 40
"""Messages of each writer."""
LIVES = 3
"""How often the server is killed."""


def unreliable(heard: Heard) -> Reply:
    """A model that fails in every way it can; which way stands in the message."""
    text = heard.text
    match text.rpartition(" ")[2]:
        case "fails":
            return fail(400, "no")
        case "dies":
            return begin() + say("a ", "b ") + die()
        case "errs":
            return begin() + say("half ") + stream_error("fell over")
        case "thinks" if heard.messages[-1]["role"] == "user":
            return call("think", {"thought": text})
        case "drawls":
            return begin() + paced(100, say(*(f"{word} " for word in text.split())))
        case _:
            return say(*(f"{word} " for word in text.split()))


@dataclass(slots=True)
class Book:
    """What writers know of their messages: those that must be there, and those that may be."""

    kept: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    maybe: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    outcomes: Counter[str] = field(default_factory=Counter[str])

    def note(self, thread: str, text: str, ended: Ended) -> None:
        """A message whose `[DONE]` was seen is kept; one whose end was not seen may be."""
        if ended.done:
            self.kept.setdefault(thread, []).append(text)
        elif ended.cut:
            self.maybe.setdefault(thread, set()).add(text)
        self.outcomes["kept" if ended.done else ended.error] += 1

    def check(self, thread: str, told: list[str]) -> None:
        """A conversation's user messages, as its model is shown them."""
        kept, maybe = self.kept.get(thread, []), self.maybe.get(thread, set())
        assert [text for text, count in Counter(told).items() if count > 1] == [], "doubled"
        assert [text for text in told if text not in kept and text not in maybe] == [], "mixed"
        assert [text for text in kept if text not in told] == [], "lost"


async def writer(session: aiohttp.ClientSession, server: Server, book: Book, name: str) -> None:
    """Sends its messages one after another, each to some conversation; now and then it leaves in
    the middle of an answer."""
    dice = random.Random(name)
    ways = ["well"] * 5 + ["drawls", "drawls", "thinks", "thinks", "fails", "dies", "errs"]
    for count in range(EACH):
        thread = f"thread-{dice.randrange(CONVERSATIONS)}"
        text = f"{thread} {name} message-{count} {dice.choice(ways)}"
        headers = {"X-Conversation-Id": thread}
        speak = leave if dice.random() < 0.1 else chat
        ended = await speak(session, server, text, headers)
        book.note(thread, text, ended)


async def hammer(server: Server, book: Book, life: int = 0) -> None:
    """All writers at once."""
    async with many() as session, asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        for number in range(WRITERS):
            group.create_task(writer(session, server, book, f"writer-{life}-{number}"))


def read_back(server: Server, scripted: Scripted, name: str, book: Book) -> int:
    """Ask in every conversation; what the model is shown is what was kept. Returns the turns."""
    turns = 0
    for thread in [f"thread-{number}" for number in range(CONVERSATIONS)]:
        model = scripted.model(name).forget().script(say("read"))
        client = server.client()
        asked = client.chat("read back", headers={"X-Conversation-Id": thread})
        assert asked.status == 200, asked.body
        told = [m["content"] for m in model.heard[0].messages if m["role"] == "user"][:-1]
        book.check(thread, told)
        turns += len(told)
    return turns


def agent(scripted: Scripted, name: str) -> str:
    """An agent with a tool, its model asked once."""
    keys = {"model": name, "toolsets": [{"type": "think"}], "fallback": {"retries": -1}}
    return agent_yaml(scripted.url, {"root": keys})


@requirement("abuse:turns")
@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_twenty_writers_on_a_hundred_conversations(
    store: str,
    serve: Serve,
    scripted: Scripted,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """chat-server.md §7: no turn lost, none doubled, none mixed, whatever fails."""
    name = f"hammered-{store}"
    scripted.model(name).script(unreliable)
    place = store if store == "memory" else f"sqlite:{tmp_path}/kept.db"
    flags = ("--conversations-max", "1000", "--conversations", place)
    server = serve(agent(scripted, name), *flags)
    book = Book()
    asyncio.run(hammer(server, book))
    turns = read_back(server, scripted, name, book)
    table.figure(request, "requests", book.outcomes.total())
    table.figure(request, "outcomes", dict(sorted(book.outcomes.items())))
    table.figure(request, "turns found again", turns)
    table.figure(request, "peak MiB", round(memory_of(server).peak, 1))
    assert book.outcomes.total() == WRITERS * EACH
    assert book.outcomes["kept"] > WRITERS * EACH / 3
    assert {"model_error", "left"} <= set(book.outcomes)
    assert "internal_error" not in book.outcomes
    assert "Traceback" not in server.log


@requirement("abuse:kill")
def test_a_killed_server_has_every_turn_whose_done_was_seen(
    serve: Serve, scripted: Scripted, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """chat-server.md §1: conversations in SQLite survive SIGKILL in the middle of everything."""
    scripted.model("killed").script(unreliable)
    flags = ("--conversations-max", "1000", "--conversations", f"sqlite:{tmp_path}/kept.db")
    book = Book()

    async def hammer_and_kill(server: Server, life: int) -> None:
        hammering = asyncio.create_task(hammer(server, book, life))
        async with asyncio.timeout(PATIENCE):
            enough = 60 * (life + 1)
            while book.outcomes["kept"] < enough and not hammering.done():  # noqa: ASYNC110 - writers know nothing of this
                await asyncio.sleep(0.01)
        server.signal(signal.SIGKILL)
        await hammering

    for life in range(LIVES):
        server = serve(agent(scripted, "killed"), *flags)
        asyncio.run(hammer_and_kill(server, life))
        assert server.wait() == -signal.SIGKILL
    server = serve(agent(scripted, "killed"), *flags)
    turns = read_back(server, scripted, "killed", book)
    table.figure(request, "times killed", LIVES)
    table.figure(request, "turns whose [DONE] was seen", book.outcomes["kept"])
    table.figure(request, "turns found again", turns)
    assert "Traceback" not in server.log


@requirement("abuse:term")
def test_a_stop_under_load_ends_every_stream_properly(
    serve: Serve, scripted: Scripted, request: pytest.FixtureRequest
) -> None:
    """chat-server.md §1: running requests finish; what still runs when the time is over is told
    so; nobody new is let in; the exit is clean."""
    gate = Gate()

    def speaks(heard: Heard) -> Reply:
        match heard.text:
            case "soon":
                return begin() + say("on ") + hold(gate) + say("time.")
            case "never":
                return begin() + endless(per_second=5)
            case _:
                return say("hi")

    scripted.model("stopped").script(speaks)
    server = serve(agent(scripted, "stopped"), "--shutdown-timeout", "4s")
    refused: Counter[str] = Counter()

    async def knock(session: aiohttp.ClientSession) -> None:
        """Until the door is shut; then let those finish who can."""
        async with asyncio.timeout(PATIENCE):
            while (late := await chat(session, server, "late")).status == 200:
                pass
        refused[late.error] += 1
        gate.open()

    async def load() -> list[Ended]:
        async with many() as session, asyncio.timeout(PATIENCE):
            texts = ["soon", "never"] * 50
            asked = [asyncio.create_task(chat(session, server, text)) for text in texts]
            await gate.await_reached(50)
            scripted.model("stopped").wait_heard(100)
            server.signal(signal.SIGTERM)
            await knock(session)
            return await asyncio.gather(*asked)

    ended = asyncio.run(load())
    assert server.wait() == 0
    outcomes = Counter("whole" if one.done else one.error for one in ended)
    table.figure(request, "100 streams at SIGTERM", dict(outcomes))
    table.figure(request, "a new request", dict(refused))
    assert outcomes == {"whole": 50, "draining": 50}
    assert [one.text for one in ended if one.done] == ["on time."] * 50
    assert "Traceback" not in server.log
