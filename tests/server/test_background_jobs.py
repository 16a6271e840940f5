"""Background jobs through the server: they outlive a request only with its conversation. Source:
runtime.md §9.14."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from docker_agent.cli.opening import Opened
from docker_agent.cli.talk import Bounds, open_talk
from docker_agent.env.chain import Values
from docker_agent.loader.overrides import Overrides
from docker_agent.loader.source import find_source
from tests.conftest import Serve
from tests.harness import Server, agent_yaml
from tests.processes import carrying, wait_gone, wait_there
from tests.requirements import requirement
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import call, fail, say
from tests.tools.test_family import number

KEEP = ("--conversations-max", "9")
GONE = 4.0
"""Seconds after which nothing may be left: two, and as much for a busy machine."""


class Jobs:
    """A server whose agent has jobs, which carry `mark`."""

    def __init__(
        self,
        scripted: Scripted,
        serve: Serve,
        model: Model,
        *flags: str,
        **more: Any,  # noqa: ANN401 - keys of an agent file
    ) -> None:
        self.mark = number()
        self.model = model
        toolset = {"type": "background_jobs", "env": {"TEST_MARK": self.mark}}
        agent = {"model": model.name, "toolsets": [toolset]}
        self.file = agent_yaml(scripted.url, {"root": agent}, top=more)
        self.server: Server = serve(self.file, *flags)

    def asks(self, tool: str, conversation: str = "", user: str = "", **arguments: Any) -> str:  # noqa: ANN401 - arguments
        """What one call answers the model, in a request of its own."""
        self.model.script(call(tool, arguments), say("done"))
        headers = {"x-conversation-id": conversation} if conversation else {}
        more = {"user": user} if user else {}
        response = self.server.client().chat("go", headers=headers, **more)
        while response.status == 409:  # the run before is just ending
            response = self.server.client().chat("go", headers=headers, **more)
        assert response.status == 200, response.text
        return self.told()[-1]

    def shows(self, output: str, conversation: str, id: str) -> str:
        """What the model sees of a job, once its output ends so: a command that has begun has not
        always said its first word."""
        until = time.monotonic() + 10
        seen = ""
        while not seen.endswith(output):
            assert time.monotonic() < until, seen
            seen = self.asks("view_background_job", conversation, job_id=id)
        return seen

    def told(self) -> list[str]:
        """What tools have answered, as the model heard it last."""
        return [m["content"] for m in self.model.heard[-1].messages if m["role"] == "tool"]

    def starts(self, conversation: str, cmd: str = "echo ready; sleep 600") -> str:
        """The id of a job that runs."""
        text = self.asks("run_background_job", conversation, cmd=cmd)
        found = re.search(r"job_\d+_\d+", text)
        assert found, text
        return found[0]


@pytest.fixture
def kept(scripted: Scripted, serve: Serve, model: Model) -> Jobs:
    """With conversations."""
    return Jobs(scripted, serve, model, *KEEP)


@requirement("jobs:scope", "jobs:run-end")
def test_a_job_goes_on_with_its_conversation_and_nobody_else_reaches_it(kept: Jobs) -> None:
    """runtime.md §9.14 R: conversation scope; two users at once."""
    ann, bob = kept.starts("ann"), kept.starts("bob")
    wait_there(kept.mark, 2)
    for mine, yours, who in ((ann, bob, "ann"), (bob, ann, "bob")):
        assert "Status: running" in kept.shows("--- Output ---\nready", who, mine)
        assert yours not in kept.asks("list_background_jobs", who)
        for tool in ("view_background_job", "stop_background_job", "wait_background_job"):
            assert (
                kept.asks(tool, who, job_id=yours) == f"Error calling tool: Job not found: {yours}"
            )
            assert "Job not found" in kept.asks(tool, who, user="somebody", job_id=mine)
    assert "no background jobs" in kept.asks("list_background_jobs")
    assert kept.asks("stop_background_job", "ann", job_id=ann) == f"Job {ann} stopped successfully"
    assert "Status: stopped" in kept.asks("list_background_jobs", "ann")
    assert "Status: running" in kept.asks("list_background_jobs", "bob")


@requirement("jobs:run-end")
def test_without_a_conversation_a_job_ends_with_its_request(
    scripted: Scripted, serve: Serve, model: Model
) -> None:
    """runtime.md §9.14 R: killed at request end; a wait sees its end before."""
    jobs = Jobs(scripted, serve, model)
    jobs.starts("", cmd="sleep 600 & sleep 600")
    wait_gone(jobs.mark, GONE)
    jobs.starts("off")
    wait_gone(jobs.mark, GONE)


@requirement("jobs:run-end")
@pytest.mark.parametrize("end", ["model", "client", "deadline"])
def test_a_job_of_a_failed_turn_ends_and_an_earlier_one_does_not(
    scripted: Scripted, serve: Serve, model: Model, end: str
) -> None:
    """DESIGN.md §1: a failed turn advances nothing; what it had started, ends."""
    limit = "3s" if end == "deadline" else "30s"
    jobs = Jobs(scripted, serve, model, *KEEP, "--request-timeout", limit)
    earlier = jobs.starts("c")
    wait_there(jobs.mark, 3)
    doomed_line = f"sleep 600.{number()}"
    doomed = call("run_background_job", {"cmd": doomed_line})
    headers = {"x-conversation-id": "c"}
    if end == "model":
        model.script(doomed, fail(400, "no"))
        assert jobs.server.client().chat("go", headers=headers).status >= 400
    else:
        lasting = call("wait_background_job", {"job_id": earlier, "timeout": 600})
        model.script(doomed, lasting, lasting, lasting)
        with jobs.server.client().stream("go", headers=headers) as stream:
            stream.next()
            wait_there(doomed_line, 1)
            if end == "client":
                model.wait_heard(4)
                stream.hang_up()
            else:
                stream.read_to_end()
    wait_gone(doomed_line, GONE)
    assert len(carrying(jobs.mark)) == 3
    text = jobs.asks("list_background_jobs", "c")
    assert earlier in text and text.count("Job ID") == 1 and "running" in text


@requirement("jobs:end")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGHUP])
def test_no_job_outlives_its_server_or_a_reload(kept: Jobs, number: signal.Signals) -> None:
    """runtime.md §9.14: all jobs die when the toolset stops; also when the server is killed and can
    end nothing itself."""
    id = kept.starts("c", cmd="trap '' TERM HUP; while :; do sleep 600; done")
    wait_there(kept.mark, 3)
    kept.server.signal(number)
    wait_gone(kept.mark, GONE)
    if number == signal.SIGHUP:
        while "the agents were read again" not in kept.server.log:
            pass
        assert "Job not found: " + id + " (it has ended" in kept.asks(
            "view_background_job", "c", job_id=id
        )


@requirement("jobs:idle")
@pytest.mark.parametrize("store", ["memory", "sqlite:kept.db"])
def test_jobs_end_with_their_conversation(
    scripted: Scripted, serve: Serve, model: Model, store: str
) -> None:
    """runtime.md §1.3: evicted with the conversation: over the limit, and idle."""
    flags = ("--conversations-max", "1", "--conversation-ttl", "3s", "--conversations", store)
    jobs = Jobs(scripted, serve, model, *flags)
    first = f"sleep 600.{number()}"
    jobs.starts("one", cmd=first)
    jobs.starts("two", cmd="sleep 600")
    wait_gone(first, GONE)
    assert carrying(jobs.mark)
    wait_gone(jobs.mark, 3 + GONE)


@requirement("jobs:safety")
def test_a_job_meets_rules_modes_and_redaction(
    scripted: Scripted, serve: Serve, model: Model, tmp_path: Path
) -> None:
    """chat-server.md §6, from outside: refused by rule and by mode; no secret in its environment,
    nor in what a model is shown of its output."""
    rules: Mapping[str, Any] = {"deny": ["run_background_job:cmd=rm*-rf*"]}
    jobs = Jobs(scripted, serve, model, *KEEP, "--working-dir", str(tmp_path), permissions=rules)
    (tmp_path / "x").write_text("text")
    text = jobs.asks("run_background_job", cmd="true; r''m -rf x")
    assert text == "Tool 'run_background_job' is denied by permissions configuration."
    secret = "ghp_" + "a1B2" * 9
    id = jobs.starts("c", cmd=f"echo {secret}; env; pwd")
    text = jobs.asks("wait_background_job", "c", job_id=id)
    assert secret not in text and text.endswith(str(tmp_path)) and jobs.mark in text
    careful = Jobs(scripted, serve, model, "--safety", "restricted", "--working-dir", str(tmp_path))
    for cmd, allowed in (
        ("ls -la", True),
        ("rm -rf x", False),
        ("make", False),
        ("ls; rm x", False),
    ):
        text = careful.asks("run_background_job", cmd=cmd)
        assert ("Background job started" in text) is allowed, text
    assert (tmp_path / "x").exists()


@requirement("jobs:safety")
def test_a_job_gets_the_environment_without_secrets(
    scripted: Scripted, serve: Serve, model: Model
) -> None:
    """chat-server.md §6: child processes get the environment without provider keys."""
    toolset = {"type": "background_jobs", "env": {"MY_TOKEN": "${env.GIVEN}"}}
    file = agent_yaml(scripted.url, {"root": {"model": model.name, "toolsets": [toolset]}})
    env = {"OPENAI_API_KEY": "hidden-one", "SOME_TOKEN": "hidden-two", "GIVEN": "given-three"}
    server = serve(file, "--conversations-max", "9", env={**env, "PATH": os.environ["PATH"]})
    model.script(call("run_background_job", {"cmd": "env > seen; echo over"}), say("ok"))
    headers = {"x-conversation-id": "c"}
    assert server.client().chat("go", headers=headers).content == "ok"
    found = re.search(r"job_\d+_\d+", model.heard[-1].messages[-1]["content"])
    assert found
    model.script(call("wait_background_job", {"job_id": found[0]}), say("ok"))
    assert server.client().chat("go", headers=headers).content == "ok"
    seen = (server.home / "seen").read_text()
    assert "hidden" not in seen and "MY_TOKEN=given-three" in seen


@requirement("jobs:builtin")
@pytest.mark.parametrize("name", ["default", "coder"])
def test_the_built_in_agents_start_without_a_warning(serve: Serve, name: str) -> None:
    """agent-file.md §5.7: their toolsets are all here."""
    server = serve(name, env={"OPENAI_API_KEY": "k"})
    assert "not supported" not in server.log


@requirement("jobs:run-end")
@pytest.mark.anyio
async def test_in_the_terminal_a_job_goes_on_until_a_new_conversation(
    scripted: Scripted, model: Model, tmp_path: Path
) -> None:
    """`docker-agent chat` is one conversation; `/new` begins another."""
    mark = number()
    toolset = {"type": "background_jobs", "env": {"TEST_MARK": mark}}
    file = tmp_path / "agent.yaml"
    file.write_text(
        agent_yaml(scripted.url, {"root": {"model": model.name, "toolsets": [toolset]}})
    )
    opened = Opened(find_source(str(file)), Overrides(tmp_path, tmp_path, tmp_path), Values({}))

    def unheard(text: str) -> None:
        """Nobody reads the answers."""

    async with open_talk(opened, Bounds(timeout=60, max_turns=9), unheard, unheard) as talk:
        model.script(call("run_background_job", {"cmd": "sleep 600"}), say("ok"))
        assert await talk.say("go") is None
        model.script(call("list_background_jobs"), say("ok"))
        assert await talk.say("and?") is None
        assert "Status: running" in model.heard[-1].messages[-1]["content"]
        talk.begin_again()
        await asyncio.to_thread(wait_gone, mark, GONE)
