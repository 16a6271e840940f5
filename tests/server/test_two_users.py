"""Two users of one server at the same time: what one does never shows with the other.

Source: runtime.md §1.3, §11.4, §8.6; chat-server.md §7.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.conftest import Serve
from tests.harness import Server, agent_yaml
from tests.requirements import requirement
from tests.scripted.client import Response
from tests.scripted.gate import Gate
from tests.scripted.heard import Heard, Model
from tests.scripted.model import Scripted
from tests.scripted.parts import Reply, call, fail, hold, say
from tests.tools.web_server import Answer, Site, computed, site_beside

USERS = ("anna", "ben")
SAME = {"x-conversation-id": "the same"}
"""Both users call their conversation by one name, which is each key's own."""

AGENTS: dict[str, dict[str, Any]] = {
    "todo": {"toolsets": [{"type": "todo"}]},
    "shared": {"toolsets": [{"type": "todo", "shared": True}]},
    "think": {"toolsets": [{"type": "think"}]},
    "memory": {"toolsets": [{"type": "memory"}]},
    "jobs": {"toolsets": [{"type": "background_jobs"}]},
    "tasks": {"toolsets": [{"type": "tasks"}]},
    "plan": {"toolsets": [{"type": "plan"}]},
    "session_plan": {"toolsets": [{"type": "session_plan"}]},
    "shell": {"toolsets": [{"type": "shell"}]},
    "script": {
        "toolsets": [
            {"type": "script", "shell": {"say": {"cmd": 'echo "$who"', "args": {"who": {}}}}}
        ]
    },
    "files": {"toolsets": [{"type": "filesystem"}]},
    "question": {"toolsets": [{"type": "user_prompt"}]},
    "sessions": {"toolsets": [{"type": "session_context"}, {"type": "think"}]},
    "deferred": {"toolsets": [{"type": "think", "defer": True}]},
    "lead": {"sub_agents": ["aide"], "toolsets": [{"type": "todo"}]},
    "aide": {"toolsets": [{"type": "todo"}]},
    "door": {"handoffs": ["anna_desk", "ben_desk"]},
    "anna_desk": {"instruction": "You are the desk of anna."},
    "ben_desk": {"instruction": "You are the desk of ben."},
}


class Two:
    """The server, a client for each of two keys, and the models behind its agents."""

    def __init__(self, server: Server, scripted: Scripted) -> None:
        self.server = server
        self._scripted = scripted
        self.clients = {user: server.client(key=f"key-{user}") for user in USERS}

    def model(self, agent: str) -> Model:
        """The scripted model of an agent."""
        return self._scripted.model(f"two-{agent}").forget()

    def at_once(self, agent: str, gate: Gate, text: str = "I am {}") -> dict[str, Any]:
        """Both ask, and are at work together when the gate opens; their replies."""
        with ThreadPoolExecutor(len(USERS)) as pool:
            asked = {
                user: pool.submit(client.chat, text.format(user), model=agent, headers=SAME)
                for user, client in self.clients.items()
            }
            try:
                gate.wait_reached(count=len(USERS))
            finally:
                gate.open()
            return {user: reply.result() for user, reply in asked.items()}

    def when_free(self, user: str, text: str, **more: Any) -> Response:  # noqa: ANN401 - fields
        """A reply, once a run that was cut has let go of the conversation."""
        end = time.monotonic() + 10
        while (reply := self.clients[user].chat(text, **more)).status == 409:
            assert time.monotonic() < end
        return reply

    def in_turn(self, agent: str) -> dict[str, str]:
        """What each is answered, one after the other."""
        return {
            user: client.chat(f"I am {user}", model=agent, headers=SAME).content
            for user, client in self.clients.items()
        }


@pytest.fixture(scope="module")
def two(scripted: Scripted, tmp_path_factory: pytest.TempPathFactory) -> Generator[Two]:
    """One server with two keys that keeps conversations."""
    home = tmp_path_factory.mktemp("home")
    keys = home / "keys"
    keys.write_text("".join(f"{user}:key-{user}\n" for user in USERS))
    keys.chmod(0o600)
    agents = {name: {"model": f"two-{name}", **of} for name, of in AGENTS.items()}
    flags = ("--api-keys-file", str(keys), "--conversations-max", "99", "--request-timeout", "3s")
    with Server(agent_yaml(scripted.url, agents), *flags, home=home) as server:
        yield Two(server, scripted)


def who(heard: Heard) -> str:
    """Whose request a model call belongs to."""
    [user] = [user for user in USERS if f"I am {user}" in json.dumps(heard.messages)]
    return user


def other(user: str) -> str:
    """The other one."""
    return next(each for each in USERS if each != user)


def apart(model: Model) -> None:
    """Nothing of one user stands in what a model is told for the other."""
    for heard in model.heard:
        assert other(who(heard)) not in json.dumps(heard.messages[1:])


KEPT: dict[str, tuple[str, dict[str, Any], str]] = {
    "todo": ("create_todo", {"description": "{}"}, "list_todos"),
    "shared": ("create_todo", {"description": "{}"}, "list_todos"),
    "memory": ("add_memory", {"memory": "{}"}, "get_memories"),
    "tasks": ("create_task", {"title": "{}"}, "list_tasks"),
    "plan": ("write_plan", {"name": "a", "content": "x", "title": "{}"}, "list_plans"),
    "session_plan": ("write_session_plan", {"content": "{}"}, "read_session_plan"),
    "jobs": ("run_background_job", {"cmd": "echo {}; sleep 600"}, "list_background_jobs"),
    "think": ("think", {"thought": "{}"}, "think"),
    "deferred": ("add_tool", {"name": "think"}, ""),
}
"""What each toolset with a state is told, and how it shows the state."""


def written(arguments: Mapping[str, Any], user: str) -> dict[str, Any]:
    """The arguments with the user's name in them."""
    return json.loads(json.dumps(arguments).replace("{}", user))


@requirement("two-users:state")
@pytest.mark.parametrize(
    "agent", ["todo", "shared", "memory", "jobs", "tasks", "plan", "session_plan"]
)
def test_state_of_two_keys_never_crosses(two: Two, agent: str) -> None:
    """runtime.md §1.3: both at work at the same moment, under the same conversation id."""
    tool, arguments, show = KEPT[agent]
    model, gate = two.model(agent), Gate()

    def act(heard: Heard) -> Reply:
        if heard.messages[-1]["role"] == "tool":
            return say("done")
        return hold(gate) + call(tool, written(arguments, who(heard)))

    model.script(act)
    assert {reply.content for reply in two.at_once(agent, gate).values()} == {"done"}
    again = Gate()
    model.script(
        lambda heard: (
            say(heard.messages[-1]["content"])
            if heard.messages[-1]["role"] == "tool"
            else hold(again) + call(show, {})
        )
    )
    for user, reply in two.at_once(agent, again, "show, I am {}").items():
        assert user in reply.content and other(user) not in reply.content
    apart(model)


@requirement("two-users:state")
def test_thoughts_of_two_keys_never_cross(two: Two) -> None:
    """runtime.md §9.4 R: the thoughts of this run alone."""
    model, gate = two.model("think"), Gate()

    def act(heard: Heard) -> Reply:
        results = [one["content"] for one in heard.messages if one["role"] == "tool"]
        if len(results) == 2:
            return say(results[-1])
        number = len(results)
        return (hold(gate) if not results else say("")) + call(
            "think", {"thought": f"{who(heard)} {number}"}, id=f"c{number}"
        )

    model.script(act)
    for user, reply in two.at_once("think", gate).items():
        assert reply.content == f"Thoughts:\n{user} 0\n{user} 1"
    apart(model)


@requirement("two-users:state")
def test_what_one_key_activates_stays_hidden_from_the_other(two: Two) -> None:
    """runtime.md §9.21 R: deferred tools, per conversation."""
    model, gate = two.model("deferred"), Gate()

    def act(heard: Heard) -> Reply:
        if heard.messages[-1]["role"] == "tool" or who(heard) == "ben":
            return hold(gate) + say("done")
        return hold(gate) + call("add_tool", {"name": "think"})

    model.script(act)
    two.at_once("deferred", gate)
    model.script(lambda heard: say(str("think" in heard.tool_names)))
    shown = two.in_turn("deferred")
    assert shown == {"anna": "True", "ben": "False"}


@requirement("two-users:state")
@pytest.mark.parametrize(
    ("agent", "tool", "first", "then"),
    [
        (
            "shell",
            "shell",
            {"cmd": "WHO={}; export WHO; cd /; umask 077; echo $WHO"},
            {"cmd": 'echo "<$WHO> $PWD" | grep -v "^<> /$"'},
        ),
        ("script", "say", {"who": "{}"}, {}),
    ],
)
def test_a_process_of_one_key_leaves_nothing_to_the_other(
    two: Two, agent: str, tool: str, first: dict[str, Any], then: dict[str, Any]
) -> None:
    """runtime.md §9.2: variables and folders do not last, for nobody."""
    model, gate = two.model(agent), Gate()

    def act(heard: Heard) -> Reply:
        if heard.messages[-1]["role"] == "tool":
            return say(heard.messages[-1]["content"])
        return hold(gate) + call(tool, written(first, who(heard)))

    model.script(act)
    for user, reply in two.at_once(agent, gate).items():
        assert reply.content == user
    again = Gate()
    model.script(
        lambda heard: (
            say(heard.messages[-1]["content"])
            if heard.messages[-1]["role"] == "tool"
            else hold(again) + call(tool, then)
        )
    )
    for reply in two.at_once(agent, again, "again, I am {}").values():
        assert not [user for user in USERS if user in reply.content]


@requirement("two-users:state")
def test_a_question_and_the_sessions_of_one_key_do_not_reach_the_other(two: Two) -> None:
    """runtime.md §9.17, §9.18: declined at once for both; nobody's sessions are listed."""
    model, gate = two.model("question"), Gate()

    def ask(heard: Heard) -> Reply:
        if heard.messages[-1]["role"] == "tool":
            return say(heard.messages[-1]["content"])
        return hold(gate) + call("user_prompt", {"message": f"{who(heard)}?"})

    model.script(ask)
    for reply in two.at_once("question", gate).values():
        assert reply.content.startswith('{"action":"decline"}')
    apart(model)
    sessions = two.model("sessions").script(say("none"))
    two.in_turn("sessions")
    assert {name for heard in sessions.heard for name in heard.tool_names} == {"think"}


@requirement("two-users:state", "two-users:team")
def test_tasks_of_two_keys_stay_with_their_own_helpers(two: Two) -> None:
    """runtime.md §11.1: the child of one sees, and changes, nothing of the other."""
    lead, aide, gate = two.model("lead"), two.model("aide"), Gate()

    def give(heard: Heard) -> Reply:
        if heard.messages[-1]["role"] == "tool":
            return say(heard.messages[-1]["content"])
        user = who(heard)
        task = {"agent": "aide", "task": f"note it, I am {user}", "expected_output": ""}
        return call("transfer_task", task)

    def note(heard: Heard) -> Reply:
        if heard.messages[-1]["role"] == "tool":
            return say(heard.messages[-1]["content"])
        return hold(gate) + call("create_todo", {"description": who(heard)})

    lead.script(give)
    aide.script(note)
    for user, reply in two.at_once("lead", gate).items():
        listed = json.loads(reply.content)["all_todos"]
        assert [each["description"] for each in listed] == [user]
    apart(lead)
    for heard in aide.heard:
        assert other(who(heard)) not in json.dumps(heard.messages)


@requirement("two-users:state", "two-users:team", "runtime:20.2:handoff")
def test_a_hand_off_of_one_key_moves_nobody_else(two: Two) -> None:
    """runtime.md §11.4 R, §20.2 row 16: the active agent is the conversation's own."""
    door, gate = two.model("door"), Gate()
    desks = {user: two.model(f"{user}_desk").script(say(f"desk of {user}")) for user in USERS}
    door.script(lambda heard: hold(gate) + call("handoff", {"agent": f"{who(heard)}_desk"}))
    for user, reply in two.at_once("door", gate).items():
        assert reply.content == f"desk of {user}"
    assert len(door.heard) == 2
    for user, content in two.in_turn("door").items():
        assert content == f"desk of {user}"
    assert len(door.heard) == 2
    for user, desk in desks.items():
        assert len(desk.heard) == 2
        assert other(user) not in json.dumps([heard.messages for heard in desk.heard])
    new = two.clients["anna"]
    door.script(say("the door"))
    fresh = new.chat("hello", model="door", headers={"x-conversation-id": "another"})
    assert fresh.content == "the door"


@requirement("two-users:failed")
@pytest.mark.parametrize("agent", ["todo", "shared", "memory"])
@pytest.mark.parametrize("how", ["error", "client", "deadline"])
def test_a_failed_turn_of_one_key_advances_nothing(two: Two, agent: str, how: str) -> None:
    """DESIGN.md §1: neither its own state, nor anybody else's, however it fails."""
    tool, arguments, show = KEPT[agent]
    model, gate = two.model(agent), Gate()
    client = two.clients["anna"]
    own = {"x-conversation-id": "failing"}
    end = fail(401, "no") if how == "error" else hold(gate) + say("late")
    model.script(
        call(tool, written(arguments, "lost"), id="c1", index=0) + call(show, {}, id="c2", index=1),
        call(show, {}, id="c3"),
        end,
    )
    with client.stream("I am anna", model=agent, headers=own) as stream:
        if how == "client":
            gate.wait_reached()
            stream.hang_up()
            assert model.heard[-1].wait_cut()
        else:
            code = "model_error" if how == "error" else "timeout"
            assert stream.rest()[-1]["error"]["code"] == code
    assert "lost" in model.heard[-1].messages[-1]["content"]
    model.script(call(show, {}), lambda heard: say(heard.messages[-1]["content"]))
    for user in ("anna", "ben"):
        reply = two.when_free(user, f"I am {user}", model=agent, headers=own)
        assert "lost" not in reply.content


@requirement("two-users:failed", "memory:turns")
def test_a_turn_that_ends_well_keeps_what_it_changed(two: Two) -> None:
    """runtime.md §9.6: added, changed and deleted in one turn, and seen in the next one; a turn
    that pauses for the client's tools has ended well."""
    model, client = two.model("memory"), two.clients["ben"]

    def ids(heard: Heard) -> list[str]:
        return [one["id"] for one in json.loads(heard.messages[-1]["content"])]

    model.script(
        call("add_memory", {"memory": "first"}, id="c1", index=0)
        + call("add_memory", {"memory": "second", "category": "x"}, id="c2", index=1),
        call("search_memories", {"query": "second"}, id="c3"),
        lambda heard: call("update_memory", {"id": ids(heard)[0], "memory": "other"}, id="c4"),
        call("search_memories", {"query": "first"}, id="c5"),
        lambda heard: call("delete_memory", {"id": ids(heard)[0]}, id="c6"),
        call("get_memories", {}, id="c7"),
        say("done"),
    )
    assert client.chat("I am ben", model="memory").content == "done"
    seen = json.loads(model.heard[-1].messages[-1]["content"])
    model.script(call("get_memories", {}), lambda heard: say(heard.messages[-1]["content"]))
    kept = json.loads(client.chat("I am ben", model="memory").content)
    assert kept == seen
    assert [(one["memory"], one["category"]) for one in kept if one["memory"] != "ben"] == [
        ("other", "x")
    ]
    [theirs] = [one["id"] for one in kept if one["memory"] == "other"]
    model.script(
        call("update_memory", {"id": theirs, "memory": "mine again"}, id="c1"),
        call("look", {}, id="c2"),
    )
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    paused = client.chat("I am ben", model="memory", tools=[tool]).json["choices"][0]
    assert paused["finish_reason"] == "tool_calls"
    model.script(
        call("delete_memory", {"id": theirs}, id="c1"),
        call("delete_memory", {"id": theirs}, id="c2"),
        lambda heard: say(heard.messages[-1]["content"]),
    )
    assert "no memory with the ID" in client.chat("I am ben", model="memory").content


@requirement("two-users:failed")
def test_a_failed_turn_hands_nobody_over(two: Two) -> None:
    """runtime.md §11.4 R: the active agent of the last turn that succeeded."""
    door, desk = two.model("door"), two.model("anna_desk")
    client, own = two.clients["anna"], {"x-conversation-id": "failing"}
    door.script(call("handoff", {"agent": "anna_desk"}))
    desk.script(fail(401, "no"))
    assert client.chat("I am anna", model="door", headers=own).status == 502
    door.script(say("still the door"))
    assert client.chat("I am anna", model="door", headers=own).content == "still the door"


OPERATION = {"operationId": "whoami", "summary": "Who asks."}
DOCUMENT = {"openapi": "3.0.0", "paths": {"/whoami": {"get": OPERATION}}}


@pytest.fixture(scope="module")
def echoing() -> Generator[Site]:
    """A site that says which credentials it was shown, also with its document."""

    def told(heard: Any) -> Answer:  # noqa: ANN401 - a request
        return Answer(f"{heard.headers.get('x-upstream', '')}|{heard.headers.get('x-fixed', '')}")

    document = Answer(json.dumps(DOCUMENT), type="application/json")
    with site_beside({"/whoami": computed(told), "/doc": document}) as found:
        yield found


@requirement("two-users:headers", "api:headers", "openapi:headers")
@pytest.mark.parametrize("type", ["api", "openapi"])
def test_headers_of_one_request_reach_the_web_for_that_request_alone(
    scripted: Scripted, serve: Serve, model: Model, echoing: Site, type: str
) -> None:
    """runtime.md §8.6: `${headers.X}` from the client's own request, two at once, then none."""
    headers = {"X-Upstream": "Bearer ${headers.X-Token}", "X-Fixed": "${env.PLAIN}"}
    config: dict[str, Any] = {
        "api": {
            "api_config": {
                "name": "whoami",
                "method": "GET",
                "endpoint": f"{echoing.url}/whoami",
                "headers": headers,
            }
        },
        "openapi": {"url": f"{echoing.url}/doc", "headers": headers},
    }[type]
    toolset = {"type": type, "allow_private_ips": True, **config}
    agent = {"model": model.name, "toolsets": [toolset]}
    server = serve(agent_yaml(scripted.url, {"root": agent}), env={"PLAIN": "seen"})
    gate = Gate()

    def act(heard: Heard) -> Reply:
        if heard.messages[-1]["role"] == "tool":
            return say(heard.messages[-1]["content"])
        return hold(gate) + call("whoami", {})

    model.script(act)
    with ThreadPoolExecutor(len(USERS)) as pool:
        asked = {
            user: pool.submit(
                server.client().chat,
                f"I am {user}",
                headers={"X-Token": f"token-{user}", "Cookie": "session=1"},
            )
            for user in USERS
        }
        try:
            gate.wait_reached(count=len(USERS))
        finally:
            gate.open()
        for user, reply in asked.items():
            assert reply.result().content == f"Bearer token-{user}|seen"
    assert server.client().chat("I am nobody").content == "Bearer|seen"
    assert not [heard for heard in echoing.heard if "cookie" in heard.headers]


@requirement("two-users:headers")
def test_a_key_of_this_server_is_never_passed_on(
    scripted: Scripted, serve: Serve, model: Model, echoing: Site
) -> None:
    """runtime.md §8.6 R: what the server itself consumes goes no further."""
    headers = {"X-Upstream": "${headers.Authorization}${headers['X-Api-Key']}"}
    config = {"name": "whoami", "method": "GET", "endpoint": f"{echoing.url}/whoami"}
    toolset = {
        "type": "api",
        "allow_private_ips": True,
        "api_config": {**config, "headers": headers},
    }
    agent = {"model": model.name, "toolsets": [toolset]}
    server = serve(agent_yaml(scripted.url, {"root": agent}), "--api-key", "server-key")
    model.script(call("whoami", {}), lambda heard: say(heard.messages[-1]["content"]))
    assert server.client(key="server-key").chat("hi").content == "|"
