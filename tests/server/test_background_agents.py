"""Background agents behind HTTP: what a client sees of them, and what is left of them. Source:
runtime.md §11.6, chat-server.md §5."""

from __future__ import annotations

import re
import signal
import threading
from uuid import uuid4

import pytest

from tests.conftest import Serve
from tests.harness import Server, agent_yaml
from tests.processes import wait_gone, wait_there
from tests.requirements import requirement
from tests.scripted.client import text_of, usage_of
from tests.scripted.gate import Gate
from tests.scripted.heard import Heard, Model
from tests.scripted.model import Scripted
from tests.scripted.parts import call, hold, say, usage
from tests.scripted.steps import Reply


def team_file(scripted: Scripted, root: Model, sub: Model) -> str:
    """A boss with the toolset, and a worker with a shell."""
    agents = {
        "root": {
            "model": root.name,
            "sub_agents": ["worker"],
            "toolsets": [{"type": "background_agents"}],
        },
        "worker": {"model": sub.name, "toolsets": [{"type": "shell"}]},
    }
    return agent_yaml(scripted.url, agents)


@pytest.fixture
def sub(scripted: Scripted, model: Model) -> Model:
    """The worker's model."""
    return scripted.model(f"{model.name}-sub")


@pytest.fixture
def server(serve: Serve, scripted: Scripted, model: Model, sub: Model) -> Server:
    """A server of the team."""
    return serve(team_file(scripted, model, sub), "--shutdown-timeout", "1s")


def view(heard: Heard) -> Reply:
    """A look at the task that the tool results tell of, which waits for its end."""
    found = re.search(r"agent_task_\w+", str(heard.messages))
    assert found is not None
    return call("view_background_agent", {"task_id": found[0], "wait": 30})


START = call("run_background_agent", {"agent": "worker", "task": "count"})


@requirement("background-agents:http:stream")
@pytest.mark.parametrize("streamed", [True, False])
def test_a_client_reads_what_root_says_and_pays_for_everybody(
    server: Server, model: Model, sub: Model, streamed: bool
) -> None:
    """§11.6 R: the task's text is no content; its tokens count in the run."""
    model.script(START + usage(10, 1), view, say("All done.") + usage(10, 1))
    sub.script(say("SECRET WORDS") + usage(100, 7))
    if streamed:
        with server.client().stream("go", stream_options={"include_usage": True}) as stream:
            chunks = stream.rest()
        text, used = text_of(chunks), usage_of(chunks)
        assert "SECRET" not in str(chunks)
    else:
        reply = server.client().chat("go").json
        text, used = reply["choices"][0]["message"]["content"], reply["usage"]
        assert "SECRET" not in str(reply)
    assert text == "All done."
    assert used is not None and used["prompt_tokens"] >= 120 and used["completion_tokens"] >= 9
    assert "SECRET WORDS" in model.heard[-1].messages[-1]["content"]


def busy(model: Model, sub: Model, mark: str, gate: Gate) -> None:
    """The worker's shell runs a process that carries `mark`; root says something and waits."""
    model.script(START, say("Wait. ") + hold(gate))
    sub.script(call("shell", {"cmd": f"sleep 600; echo {mark}", "timeout": 600}))


@requirement("background-agents:http:end")
@pytest.mark.parametrize("how", ["answered", "hung-up", "stopped"])
def test_nothing_is_left_of_a_task_when_the_run_has_ended(
    server: Server, model: Model, sub: Model, how: str
) -> None:
    """§11.6 R: after the answer, when the client has gone, on SIGTERM: within two seconds, with
    the processes of its tools."""
    mark, gate = f"mark-{uuid4().hex}", Gate()
    busy(model, sub, mark, gate)
    with server.client().stream("go") as stream:
        assert stream.next_text() == "Wait. "
        wait_there(mark, 1)
        if how == "answered":
            gate.open()
            stream.rest()
        elif how == "hung-up":
            stream.hang_up()
        else:
            server.signal(signal.SIGTERM)
        wait_gone(mark, 5.0)
    gate.open()


@requirement("background-agents:http:end")
def test_a_request_that_takes_too_long_leaves_no_task(
    serve: Serve, scripted: Scripted, model: Model, sub: Model
) -> None:
    """runtime.md §3.8: the request's time-out ends what works beside it, too."""
    server = serve(team_file(scripted, model, sub), "--request-timeout", "3s")
    mark, gate = f"mark-{uuid4().hex}", Gate()
    busy(model, sub, mark, gate)
    answer = server.client().chat("go")
    assert (answer.status, answer.error["code"]) == (504, "timeout")
    wait_gone(mark, 5.0)
    gate.open()


@requirement("background-agents:http:events")
def test_who_wants_to_see_tools_sees_those_of_a_task(
    serve: Serve, scripted: Scripted, model: Model, sub: Model
) -> None:
    """chat-server.md §5: one line for a sub-agent and for each call; its words are none of them."""
    server = serve(team_file(scripted, model, sub), "--tool-events", "markdown")
    model.script(START, view, say("All done."))
    sub.script(call("shell", {"cmd": "echo hi"}), say("SECRET WORDS"))
    with server.client().stream("go") as stream:
        text = text_of(stream.rest())
    assert "**worker** works on a task" in text
    assert "**worker: shell**" in text and "SECRET" not in text


@requirement("background-agents:http:restricted")
def test_a_server_for_others_says_at_the_start_that_it_starts_none(
    serve: Serve, scripted: Scripted, model: Model, sub: Model
) -> None:
    """runtime.md §6.4: background agents are refused under `restricted`, and the log says so."""
    server = serve(team_file(scripted, model, sub), "--safety", "restricted")
    model.script(START, say("I could not."))
    assert server.client().chat("go").content == "I could not."
    assert "safety mode 'restricted'" in model.heard[-1].messages[-1]["content"]
    assert sub.heard == []
    assert "run_background_agent" in server.log


@requirement("background-agents:http:users")
def test_two_users_at_once_have_tasks_of_their_own(
    server: Server, model: Model, sub: Model
) -> None:
    """runtime.md §1.3: run scope; nobody lists or views another's tasks."""
    gate = Gate()

    def root(heard: Heard) -> Reply:
        last = heard.messages[-1]
        if last["role"] == "user":
            return START
        if "started with ID" in last["content"]:
            return call("list_background_agents")
        return say(last["content"])

    model.script(root)
    sub.script(hold(gate))
    said: list[str] = []
    clients = [
        threading.Thread(target=lambda: said.append(server.client().chat("go").content))
        for _ in range(2)
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join(30)
    gate.open()
    assert [len(re.findall("ID: ", text)) for text in said] == [1, 1]
    assert len(set(said)) == 2
