"""Agents that find and enable MCP servers themselves, seen from outside. Source: runtime.md §9.20,
§1.3, chat-server.md §6 and §7."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from tests.harness import Server, agent_yaml
from tests.requirements import requirement
from tests.scripted.gate import Gate
from tests.scripted.heard import Heard, Model
from tests.scripted.model import Scripted
from tests.scripted.parts import Reply, call, fail, hold, say
from tests.tools.mcp.opening import LIMIT
from tests.tools.mcp.serving import Door, served_beside
from tests.tools.mcp.test_http import streamable
from tests.tools.mcp.test_mcp_catalog import GONE, catalogue, service

USERS = ("anna", "ben")
ENABLE = call("enable_remote_mcp_server", {"id": "far"}, id="c1")
SUM = call("far_add", {"a": 2, "b": 3}, id="c2")
KEYS: dict[str, Any] = {"type": "mcp_catalog", "allow_private_ips": True}
REFUSE = "echo 'not that one' >&2; exit 2"
HOOK = {"matcher": "far_nothing", "hooks": [{"type": "command", "command": REFUSE}]}


class Hanging:
    """A server that never answers; how many wait for it."""

    def __init__(self) -> None:
        self.reached = 0
        self.waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        self.reached += 1
        self.waiting += 1
        while (await receive())["type"] != "http.disconnect":
            pass
        self.waiting -= 1


class World:
    """The catalogue's servers, our own one, and what its model is told."""

    def __init__(self, door: Door, hanging: Hanging, scripted: Scripted) -> None:
        self.door = door
        self.hanging = hanging
        self.model: Model = scripted.model("catalogue")
        self.server: Server

    def ask(
        self, text: str = "go", user: str = "anna", talk: str = "t", agent: str = "root"
    ) -> str:
        """What one conversation is answered next."""
        client = self.server.client(agent, key=f"key-{user}")
        reply = client.chat(text, headers={"x-conversation-id": talk})
        assert reply.status == 200, reply.text
        return reply.content

    def leaves(self) -> int:
        """The sessions that have been ended."""
        return [method for method, _, _ in self.door.heard].count("DELETE")


def until(told: Callable[[], bool], limit: float = LIMIT) -> None:
    """Wait for another process, bounded."""
    end = time.monotonic() + limit
    while not told():
        assert time.monotonic() < end
        time.sleep(0.02)


def told(model: Model) -> list[str]:
    """The tool messages that the model was shown last."""
    return [m["content"] for m in model.heard[-1].messages if m["role"] == "tool"]


@pytest.fixture(scope="module")
def shared(
    scripted: Scripted, tmp_path_factory: pytest.TempPathFactory
) -> Generator[tuple[World, Callable[[str], Server]]]:
    """What all tests here have in common, and how our server is started once more."""
    home = tmp_path_factory.mktemp("home")
    keys = home / "keys"
    keys.write_text("".join(f"{user}:key-{user}\n" for user in USERS))
    keys.chmod(0o600)
    agents: dict[str, Any] = {
        "root": {"model": "catalogue", "toolsets": [KEYS], "hooks": {"pre_tool_use": [HOOK]}},
        "careful": {"model": "catalogue", "toolsets": [KEYS], "safety": "restricted"},
    }
    top = {"version": "12", "permissions": {"deny": ["far_boom"]}}
    file = agent_yaml(scripted.url, agents, top=top)
    flags = ("--api-keys-file", str(keys), "--conversations-max", "99", "--conversations")
    door, hanging = streamable(old=True), Hanging()
    with served_beside(lambda: door) as far, served_beside(lambda: hanging) as never:
        registry = {"far": service(f"{far}/mcp"), "never": service(f"{never}/mcp")}
        env = {"DOCKER_AGENT_MCP_CATALOG_URL": catalogue(home, registry)}
        world = World(door, hanging, scripted)

        def start(kept: str) -> Server:
            return Server(file, *flags, f"sqlite:{home / kept}", home=home, env=env)

        with start("shared.db") as world.server:
            yield world, start


@pytest.fixture
def world(shared: tuple[World, Callable[[str], Server]]) -> World:
    """The same with a model that has heard nothing."""
    shared[0].model.forget()
    return shared[0]


@requirement("catalog:run", "catalog:guards")
def test_an_agent_finds_enables_and_uses_a_server_in_one_run(world: World) -> None:
    """§9.20: in the same run; rules and hooks hold for its tools, in its conversation alone."""
    model = world.model.script(
        call("search_remote_mcp_servers", {"query": "title"}, id="c0"),
        ENABLE,
        SUM,
        call("far_boom", id="c3"),
        call("far_nothing", id="c4"),
        lambda heard: say("five"),
    )
    assert world.ask(talk="one") == "five"
    found, enabled, five, boom, nothing = told(model)
    assert found.startswith("found 2 server(s):\n[") and "is enabled" in enabled
    assert five == "5"
    assert boom == "Tool 'far_boom' is denied by permissions configuration."
    assert "not that one" in nothing
    seen = [heard.tool_names for heard in model.heard]
    assert "far_add" not in seen[1] and "far_add" in seen[2]
    assert "disable_remote_mcp_server" not in seen[1] and "disable_remote_mcp_server" in seen[2]
    model.script(SUM, lambda heard: say(told(model)[-1]))
    assert world.ask(talk="one") == "5"
    model.script(say("done"))
    world.ask(talk="other")
    assert "far_add" not in model.heard[-1].tool_names


@requirement("catalog:guards")
def test_a_restricted_agent_looks_and_enables_nothing(world: World) -> None:
    """chat-server.md §6: enabling is more than reading."""
    search = call("search_remote_mcp_servers", {"query": ""}, id="c0")
    model = world.model.script(search, ENABLE, say("no"))
    sessions = world.door.methods.count("initialize")
    assert world.ask(agent="careful", talk="careful") == "no"
    found, refused = told(model)
    assert found.startswith("found 2 server(s)") and "restricted" in refused
    assert world.door.methods.count("initialize") == sessions


@requirement("catalog:apart", "two-users:state")
def test_two_users_at_once_bring_in_their_own(world: World) -> None:
    """§1.3: under the same conversation id, both at work at the same moment."""
    gate, sessions = Gate(), world.door.methods.count("initialize")

    def act(heard: Heard) -> Reply:
        results = [one["content"] for one in heard.messages if one["role"] == "tool"]
        if len(results) == 2:
            return say(results[1])
        if results:
            return hold(gate) + SUM
        return ENABLE if "I am anna" in json.dumps(heard.messages) else say("none for me")

    world.model.script(act)
    assert world.ask("I am ben", user="ben", talk="same") == "none for me"
    with ThreadPoolExecutor(2) as pool:
        anna = pool.submit(world.ask, "I am anna", "anna", "same")
        gate.wait_reached()
        assert world.ask("ben again", user="ben", talk="same") == "none for me"
        assert "far_add" not in world.model.heard[-1].tool_names
        gate.open()
        assert anna.result() == "5"
    both = Gate()

    def act_too(heard: Heard) -> Reply:
        results = [one["content"] for one in heard.messages if one["role"] == "tool"]
        if len(results) == 2:
            return say(results[1])
        return hold(both) + SUM if results else ENABLE

    world.model.script(act_too)
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(world.ask, "at once", user, "fresh") for user in USERS]
        both.wait_reached(count=2)
        both.open()
        assert [each.result() for each in asked] == ["5", "5"]
    assert world.door.methods.count("initialize") == sessions + 3


@requirement("catalog:turns", "two-users:failed")
def test_a_failed_turn_enables_nothing_and_leaves_no_session(world: World) -> None:
    """DESIGN.md §8."""
    leaves = world.leaves()
    world.model.script(ENABLE, SUM, fail(401, "no"))
    client = world.server.client(key="key-anna")
    assert client.chat("go", headers={"x-conversation-id": "failing"}).status == 502
    until(lambda: world.leaves() == leaves + 1)
    world.model.script(say("nothing here"))
    assert world.ask(talk="failing") == "nothing here"
    assert "far_add" not in world.model.heard[-1].tool_names


@requirement("catalog:turns")
def test_a_request_without_a_conversation_leaves_its_servers(world: World) -> None:
    """§1.3 R: without an id the state dies with the request."""
    leaves = world.leaves()
    world.model.script(ENABLE, SUM, say("done"))
    assert world.server.client(key="key-anna").chat("go").content == "done"
    assert told(world.model)[-1] == "5"
    until(lambda: world.leaves() == leaves + 1)


@requirement("catalog:cancel")
def test_a_client_that_leaves_while_a_server_is_enabled_leaves_no_connection(world: World) -> None:
    """seed.txt: within two seconds, whoever is being waited for."""
    reached = world.hanging.reached
    world.model.script(call("enable_remote_mcp_server", {"id": "never"}), say("never said"))
    client = world.server.client(key="key-anna")
    with client.stream("go", headers={"x-conversation-id": "left"}) as stream:
        until(lambda: world.hanging.reached > reached)
        assert world.hanging.waiting
        stream.hang_up()
        until(lambda: not world.hanging.waiting, limit=GONE)
    end = time.monotonic() + LIMIT
    world.model.script(say("back"))
    while client.chat("again", headers={"x-conversation-id": "left"}).status == 409:
        assert time.monotonic() < end
    assert world.model.heard[-1].tool_names == [
        "search_remote_mcp_servers",
        "list_remote_mcp_servers",
        "enable_remote_mcp_server",
    ]


@requirement("catalog:restart")
def test_a_conversation_has_its_servers_after_a_restart(
    shared: tuple[World, Callable[[str], Server]], world: World
) -> None:
    """§1.3: what a conversation has enabled is kept with it; a stop leaves every server."""
    _, start = shared
    before = world.server
    try:
        with start("own.db") as world.server:
            world.model.script(ENABLE, say("enabled"))
            assert world.ask(talk="lasting") == "enabled"
            leaves = world.leaves()
            world.server.stop()
            assert world.leaves() == leaves + 1
        opened = world.door.methods.count("initialize")
        with start("own.db") as world.server:
            assert world.door.methods.count("initialize") == opened
            world.model.script(SUM, lambda heard: say(told(world.model)[-1]))
            assert world.ask(talk="lasting") == "5"
            assert "far_add" in world.model.heard[-1].tool_names
            assert world.door.methods.count("initialize") == opened + 1
    finally:
        world.server = before
