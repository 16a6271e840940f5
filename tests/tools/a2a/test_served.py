"""Agents elsewhere as tools of a server that several people use. Source: runtime.md §9.10, §1.3."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.conftest import Serve
from tests.harness import agent_yaml
from tests.requirements import requirement
from tests.scripted.heard import Heard as Asked
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import Reply, call, fail, say
from tests.tools.a2a.scripted import CARD, TASK, text
from tests.tools.web_server import PATIENCE, Answer, Heard, site_beside

TOOL = "lib_look_up"
WHERE: dict[str, Any] = {
    "name": "Librarian",
    "url": "/rpc",
    "skills": [{"id": "look_up", "name": "Look up", "description": "Finds facts."}],
}
KEPT = ("--conversations-max", "9")


class Remembering:
    """An agent that gives each conversation a context, and says in which one it was spoken to, by
    whom. It answers when `crowd` messages are waiting."""

    def __init__(self, crowd: int = 1) -> None:
        self.crowd = crowd
        self.heard: list[tuple[str, str | None, str]] = []
        self._waiting: list[asyncio.Event] = []

    async def __call__(self, heard: Heard, writer: asyncio.StreamWriter) -> None:
        """One message."""
        message = json.loads(heard.body)["params"]["message"]
        said, context = message["parts"][0]["text"], message.get("contextId")
        token = heard.headers.get("x-service-token", "")
        self.heard.append((said, context, token))
        ready = asyncio.Event()
        self._waiting.append(ready)
        if len(self._waiting) >= self.crowd:
            for each in self._waiting:
                each.set()
            self._waiting.clear()
        await ready.wait()
        own = context or f"ctx-{said}"
        answer = {"result": text(f"{said} in {own}", contextId=own)}
        writer.write(Answer(json.dumps(answer), type="application/json").encoded())
        await writer.drain()


def file(scripted: Scripted, model: Model, url: str, **more: Any) -> str:  # noqa: ANN401 - as in a file
    """An agent file with such a toolset."""
    toolset = {"type": "a2a", "name": "lib", "url": url, "allow_private_ips": True, **more}
    return agent_yaml(scripted.url, {"root": {"model": model.name, "toolsets": [toolset]}})


def passing_on(asked: Asked) -> Reply:
    """A model that gives the user's word to the agent, and then says what came of it."""
    last = asked.messages[-1]
    if last["role"] == "tool":
        return say(last["content"])
    return call(TOOL, {"message": last["content"]})


@requirement("a2a:served", "a2a:context")
def test_two_users_at_once_have_conversations_of_their_own(
    scripted: Scripted, serve: Serve, model: Model
) -> None:
    """runtime.md §1.3: both are held in the middle of their calls; §8.6: each passes a token of
    their own on."""
    agent = Remembering(crowd=2)
    headers = {"X-Service-Token": "${headers.X-Service-Token}"}
    with site_beside({CARD: Answer(json.dumps(WHERE)), "/rpc": agent}) as there:
        server = serve(file(scripted, model, there.url, headers=headers), *KEPT)
        model.script(*[passing_on] * 8)

        def talk(person: str) -> list[str]:
            own = {"x-conversation-id": f"of-{person}", "x-service-token": f"token-of-{person}"}
            chat = server.client().chat
            return [chat(f"{person}{turn}", headers=own).content for turn in (1, 2)]

        with ThreadPoolExecutor(2) as people:
            ann, bob = people.map(talk, ("ann", "bob"))
    assert ann == ["ann1 in ctx-ann1", "ann2 in ctx-ann1"]
    assert bob == ["bob1 in ctx-bob1", "bob2 in ctx-bob1"]
    assert sorted(agent.heard, key=str) == [
        ("ann1", None, "token-of-ann"),
        ("ann2", "ctx-ann1", "token-of-ann"),
        ("bob1", None, "token-of-bob"),
        ("bob2", "ctx-bob1", "token-of-bob"),
    ]


@requirement("a2a:served", "a2a:context")
def test_a_failed_turn_has_said_nothing(scripted: Scripted, serve: Serve, model: Model) -> None:
    """DESIGN.md §1: a turn that fails advances no toolset; without a conversation nothing is
    kept."""
    agent = Remembering()
    with site_beside({CARD: Answer(json.dumps(WHERE)), "/rpc": agent}) as there:
        client = serve(file(scripted, model, there.url), *KEPT).client()
        own = {"x-conversation-id": "c"}
        model.script(passing_on, fail(400, "no"))
        assert client.chat("one", headers=own).status >= 400
        for said in ("two", "three"):
            model.script(passing_on, passing_on)
            assert client.chat(said, headers=own).content == f"{said} in ctx-two"
        model.script(passing_on, passing_on)
        assert client.chat("four").content == "four in ctx-four"
    assert [context for _, context, _ in agent.heard] == [None, None, "ctx-two", None]


@requirement("a2a:cancel")
def test_a_client_that_leaves_leaves_the_agent(
    scripted: Scripted, serve: Serve, model: Model
) -> None:
    """DESIGN.md §8: what a request started ends with it, at the other end too."""
    looked, cancelled = threading.Event(), threading.Event()
    working = {"result": {**TASK, "status": {"state": "working"}}}

    async def page(heard: Heard, writer: asyncio.StreamWriter) -> None:
        method = json.loads(heard.body)["method"]
        if method == "tasks/get":
            looked.set()
            await asyncio.Event().wait()
        if method == "tasks/cancel":
            cancelled.set()
        writer.write(Answer(json.dumps(working), type="application/json").encoded())
        await writer.drain()

    with site_beside({CARD: Answer(json.dumps(WHERE)), "/rpc": page}) as there:
        server = serve(file(scripted, model, there.url))
        model.script(passing_on)
        with server.client().stream("go") as answer:
            assert looked.wait(PATIENCE)
            answer.hang_up()
        assert cancelled.wait(PATIENCE)


@requirement("a2a:large")
def test_a_large_answer_of_an_agent_is_cut_down(
    scripted: Scripted, serve: Serve, model: Model
) -> None:
    """runtime.md §5.6: category a2a."""
    lines = "".join(f"line {number}\n" for number in range(9000))
    said = {"result": text(lines)}
    page = Answer(json.dumps(said), type="application/json")
    with site_beside({CARD: Answer(json.dumps(WHERE)), "/rpc": page}) as there:
        server = serve(file(scripted, model, there.url))
        model.script(passing_on, say("done"))
        assert server.client().chat("go").content == "done"
        (shown,) = (m["content"] for m in model.heard[-1].messages if m["role"] == "tool")
        assert len(shown) < 70_000 < len(lines) and "line 8999" in shown


@requirement("a2a:card")
def test_an_agent_that_is_away_is_told_and_left_out(
    scripted: Scripted, serve: Serve, model: Model
) -> None:
    """runtime.md §8.4: the run goes on without it; the log and `/ready` say why."""
    with site_beside({}) as there:
        server = serve(file(scripted, model, there.url))
        assert server.client().chat("hello").content == "hello"
        assert model.heard[0].tool_names == []
        told = server.client().get("/ready").text
        assert "agent card" in told and "HTTP 404" in told
        assert "the answer is HTTP 404" in server.log
