"""What ends a run ends everything it started. Source: runtime.md §3.8, chat-server.md §1; the
environment of the server itself: runtime.md §9.2."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.harness import Server, agent_yaml
from tests.processes import carrying, wait_gone, wait_there
from tests.requirements import requirement
from tests.scripted.gate import Gate
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import call, hold, say

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")


@pytest.fixture
def mark() -> str:
    """Digits that no other process carries."""
    return str(random.randrange(10**17, 10**18))


def busy(scripted: Scripted, model: Model, mark: str) -> str:
    """An agent that runs a command, a script and a sub-agent, which runs a command and asks its
    model; everything escapes as far as it can, and waits."""
    env = {"TEST_MARK": mark}
    shell = {"type": "shell", "env": env}
    script = {"type": "script", "env": env, "shell": {"wait_long": {"cmd": "sleep 600"}}}
    sub = scripted.model(f"{model.name}-sub")
    gate = Gate()
    sub.script(call("shell", {"cmd": command(), "timeout": 600}), hold(gate) + say("never"))
    model.script(
        call("shell", {"cmd": command(), "timeout": 600}, id="c1", index=0)
        + call("wait_long", {}, id="c2", index=1)
        + call("transfer_task", {"agent": "sub", "task": "t"}, id="c3", index=2),
        say("never"),
    )
    agents = {
        "root": {"model": model.name, "toolsets": [shell, script], "sub_agents": ["sub"]},
        "sub": {"model": sub.name, "toolsets": [shell]},
    }
    return agent_yaml(scripted.url, agents)


def command() -> str:
    """Four processes: a shell that does not listen, and some that left it."""
    return "trap '' TERM; setsid sleep 600 & nohup sleep 600 > /dev/null & sleep 600; sleep 600"


PROCESSES = 8
"""At least so many run when everything has begun."""


@requirement("process:ends")
@pytest.mark.parametrize("streamed", [True, False])
def test_a_client_that_leaves_ends_all(
    scripted: Scripted, serve: Serve, model: Model, mark: str, streamed: bool
) -> None:
    """runtime.md §3.8: client disconnects."""
    server = serve(busy(scripted, model, mark))
    client = server.client()
    body = b'{"messages": [{"role": "user", "content": "go"}], "stream": %s}'
    data = body % (b"true" if streamed else b"false")
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(data)}"
    with client.connect() as connection:
        connection.sendall(head.encode() + b"\r\n\r\n" + data)
        wait_there(mark, PROCESSES)
    wait_gone(mark)
    assert client.get("/health").status == 200


@requirement("process:ends")
def test_the_deadline_ends_all(scripted: Scripted, serve: Serve, model: Model, mark: str) -> None:
    """runtime.md §3.8: the request timeout kills child processes."""
    server = serve(busy(scripted, model, mark), "--request-timeout", "3s")
    with server.client().stream("go") as stream:
        wait_there(mark, PROCESSES)
        assert "timeout" in str(stream.rest()[-1])
    wait_gone(mark)


@requirement("process:ends")
def test_sigterm_ends_all(scripted: Scripted, serve: Serve, model: Model, mark: str) -> None:
    """chat-server.md §1: running requests are cut when the drain time is over."""
    server = serve(busy(scripted, model, mark), "--shutdown-timeout", "100ms")
    with server.client().stream("go") as stream:
        wait_there(mark, PROCESSES)
        server.signal(signal.SIGTERM)
        assert "draining" in str(stream.rest()[-1])
    server.wait()
    assert carrying(mark) == []


@requirement("process:environ")
def test_a_command_cannot_read_the_servers_secrets(
    scripted: Scripted, serve: Serve, model: Model, mark: str
) -> None:
    """chat-server.md §6: neither in its own environment nor where the server was started; the
    server still has them."""
    server: Server = serve(
        agent_yaml(scripted.url, {"root": {"model": model.name, "toolsets": [{"type": "shell"}]}}),
        "--api-key-env",
        "DOOR",
        env={"OPENAI_API_KEY": f"sk-{mark}", "DOOR": f"door-{mark}", "PLAIN": f"plain-{mark}"},
    )
    model.script(call("shell", {"cmd": "env; tr '\\0' '\\n' < /proc/$PPID/environ"}), say("ok"))
    assert server.client(key=f"door-{mark}").chat("go").content == "ok"
    told = model.heard[-1].messages[-1]["content"]
    assert told.count(f"plain-{mark}") == 2
    assert told.count(mark) == 2
    assert "OPENAI_API_KEY=" in told
