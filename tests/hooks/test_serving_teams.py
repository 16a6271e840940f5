"""Moments of teams, of long histories and of questions, told to hooks of a served agent. Source:
runtime.md §12.2."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from docker_agent.hooks.port import HookEvent
from tests.harness import Server, agent_yaml
from tests.hooks import test_serving
from tests.requirements import requirement
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import call, fail, say, usage

KEEP = "cat >> $OUT/$1; echo >> $OUT/$1"
EVENTS: tuple[HookEvent, ...] = (
    "session_start",
    "on_agent_switch",
    "subagent_stop",
    "pre_compact",
    "before_compaction",
    "after_compaction",
    "on_error",
    "notification",
)
NEVER = {
    "user_steering_messages_submit",
    "user_followup_submit",
    "on_session_resume",
    "worktree_create",
}
"""Events of programs with somebody at a terminal."""


def keeping(event: str) -> dict[str, Any]:
    """A hook that keeps what it is told."""
    env = {"OUT": "${env.OUT}"}
    return {"type": "command", "command": KEEP, "args": [event], "env": env}


class Team:
    """The server, its models, and what its hooks were told."""

    def __init__(self, server: Server, scripted: Scripted, out: Path) -> None:
        self.server = server
        self._scripted = scripted
        self._out = out

    def model(self, agent: str) -> Model:
        """The scripted model of an agent."""
        return self._scripted.model(f"told-{agent}").forget()

    def told(self, event: str, run: str) -> list[dict[str, Any]]:
        """What hooks of this event were told of a run."""
        path = self._out / event
        lines = path.read_text().splitlines() if path.exists() else []
        found = [json.loads(line) for line in lines if line]
        return [one for one in found if one["request_id"] == run]


@pytest.fixture(scope="module")
def team(scripted: Scripted, tmp_path_factory: pytest.TempPathFactory) -> Generator[Team]:
    """A team whose members all listen."""
    out = tmp_path_factory.mktemp("out")
    hooks = {event: keeping(event) for event in EVENTS}
    asked = [{"hooks": [keeping("permission_request")]}]
    allow = json.dumps({"hook_specific_output": {"permission_decision": "allow"}})
    allowing = [{"hooks": [{"type": "command", "command": f"cat > /dev/null; echo '{allow}'"}]}]
    agents: dict[str, dict[str, Any]] = {
        "lead": {"sub_agents": ["aide"], "handoffs": ["next"], "hooks": hooks},
        "aide": {"hooks": hooks},
        "next": {"force_handoff": "last", "hooks": hooks},
        "last": {"hooks": hooks},
        "long": {"hooks": hooks},
        "asked": {
            "safety": "balanced",
            "toolsets": [{"type": "shell"}],
            "hooks": {"permission_request": [*asked, *allowing]},
        },
    }
    every = {name: {"model": f"told-{name}", **of} for name, of in agents.items()}
    small = {"compaction_threshold": 0.5, "provider_opts": {"context_size": 4000}}
    file = agent_yaml(scripted.url, every, models={"long": small}, top={"version": "12"})
    env = {"OUT": str(out)}
    with Server(file, home=tmp_path_factory.mktemp("home"), env=env) as server:
        yield Team(server, scripted, out)


@requirement("hooks:events")
def test_every_switch_and_every_end_of_a_helper_is_told(team: Team) -> None:
    """runtime.md §12.2: from, to and kind; a child's end on the parent, also a failing one's."""
    task = {"agent": "aide", "task": "t", "expected_output": ""}
    team.model("lead").script(
        call("transfer_task", task, id="c1"),
        call("transfer_task", task, id="c2"),
        call("handoff", {"agent": "next"}),
    )
    team.model("aide").script(say("42"), fail(401, "no"))
    team.model("next").script(say("draft"))
    team.model("last").script(say("final"))
    reply = team.server.client("lead").chat("go")
    assert reply.content == "draft\n\nfinal"
    run = reply.headers["x-request-id"]
    told = team.told("on_agent_switch", run)
    assert [(one["from_agent"], one["to_agent"], one["agent_switch_kind"]) for one in told] == [
        ("lead", "aide", "transfer_task"),
        ("aide", "lead", "transfer_task_return"),
        ("lead", "aide", "transfer_task"),
        ("aide", "lead", "transfer_task_return"),
        ("lead", "next", "handoff"),
        ("next", "last", "force_handoff"),
    ]
    assert told[0]["from_agent_models"] == ["openai/told-lead"]
    first, second = team.told("subagent_stop", run)
    assert (first["agent_name"], first["stop_response"]) == ("lead", "42")
    assert second["tool_error"] is True
    started = team.told("session_start", run)
    assert [one["agent_name"] for one in started] == ["lead", "aide", "aide", "next", "last"]
    assert [bool(one.get("parent_session_id")) for one in started] == [
        *(False, True, True, False, False)
    ]
    [failed] = team.told("on_error", run)
    assert (failed["agent_name"], failed["reason"]) == ("aide", "model_error")
    assert [one["notification_level"] for one in team.told("notification", run)] == ["error"]


@requirement("hooks:events")
def test_a_history_that_is_shortened_is_told(team: Team) -> None:
    """runtime.md §7.2, §12.2: before, twice, and after, with the summary."""
    team.model("long").script(say("They counted.") + usage(9, 9), say("fine") + usage(50, 5))
    long = "word " * 700
    history = [
        message
        for number in range(5)
        for message in (
            {"role": "user", "content": f"q{number} {long}"},
            {"role": "assistant", "content": f"a{number}"},
        )
    ]
    reply = team.server.client("long").chat([*history, {"role": "user", "content": "and now?"}])
    assert reply.content == "fine"
    run = reply.headers["x-request-id"]
    for event in ("pre_compact", "before_compaction", "after_compaction"):
        [told] = team.told(event, run)
        assert told["source"] == "auto"
    assert told["summary"] == "They counted."


@requirement("hooks:events")
def test_a_question_that_nobody_can_be_asked_goes_to_hooks(team: Team) -> None:
    """runtime.md §6.2 step 6: in balanced mode, and what one allows is run."""
    model = team.model("asked").script(call("shell", {"cmd": "mkdir -p x; echo made"}), say("ok"))
    reply = team.server.client("asked").chat("go")
    assert reply.content == "ok"
    assert model.heard[-1].messages[-1]["content"] == "made"
    [told] = team.told("permission_request", reply.headers["x-request-id"])
    assert told["tool_input"] == {"cmd": "mkdir -p x; echo made"}
    assert told["safety_policy"] == "balanced"


@requirement("hooks:events")
def test_every_event_is_shown_or_cannot_happen_here() -> None:
    """runtime.md §12.2: the list of events and these tests grow together."""
    shown = {*EVENTS, "permission_request", *test_serving.LISTENING}
    assert shown | NEVER == set(HookEvent.__args__)
    assert not shown & NEVER
