"""What the server keeps, and how it stops. Source: chat-server.md §1, §2 and §7; seed.txt."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import pytest

from docker_agent.cli.serve_chat import chat
from tests.conftest import Serve
from tests.harness import Server, agent_yaml
from tests.requirements import requirement
from tests.scripted.gate import Gate
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import call, hold, say

ID = {"X-Conversation-Id": "a/b c"}


def stopped_listening(server: Server) -> Iterator[None]:
    """Runs out once nobody can connect any more; the test's own limit bounds it."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
        except OSError:
            return
        yield


@requirement("seed:open-webui")
def test_open_webui_connects_with_url_key_and_origin(scripted: Scripted, serve: Serve) -> None:
    """seed.txt 151-157: the page's own flags; the chat's origin and its server's requests."""
    flags = ("--cors-origin", "http://localhost:3000", "--api-key-env", "OPEN_WEBUI_TOKEN")
    server = serve(agent_yaml(scripted.url, "webui"), *flags, env={"OPEN_WEBUI_TOKEN": "t"})
    client = openai.OpenAI(base_url=server.url, api_key="t")
    assert [model.id for model in client.models.list()] == ["root"]
    page = {"Origin": "http://localhost:3000"}
    reply = server.client(key="t").chat("hi", headers=page)
    assert reply.headers["access-control-allow-origin"] == "http://localhost:3000"


@requirement("seed:max-idle-runtimes", "chat:1:max-idle-runtimes")
def test_idle_runtimes_may_be_bounded(scripted: Scripted, serve: Serve, model: Model) -> None:
    """seed.txt 142-144: 4 by default, 0 disables pooling; the agent answers all the same."""
    assert {param.name: param.default for param in chat.params}["max_idle_runtimes"] == 4
    server = serve(agent_yaml(scripted.url, model.name), "--max-idle-runtimes", "0")
    assert [server.client().chat(text).content for text in ("a", "b")] == ["a", "b"]


@requirement("design:8:no-pool")
@pytest.mark.parametrize("idle", ["0", "4"])
def test_a_run_prepares_nothing_that_a_pool_could_keep(
    scripted: Scripted, serve: Serve, model: Model, idle: str
) -> None:
    """DESIGN.md §8: an agent is shared; after many runs at once there is no more of anything, and
    no run finds what another one left."""
    toolsets = [{"type": name} for name in ("think", "todo", "filesystem", "shell")]
    agent = {"model": model.name, "toolsets": toolsets}
    server = serve(agent_yaml(scripted.url, {"root": agent}), "--max-idle-runtimes", idle)
    model.script(
        lambda heard: (
            say("done")
            if any(m["role"] == "tool" for m in heard.messages)
            else call("create_todo", {"description": heard.text}) + call("list_todos")
        )
    )

    def ask(number: int) -> bool:
        return server.client().chat(f"todo {number}.").status == 200

    assert ask(0)
    before = held(server.process.pid)
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(1, 25)))
    assert held(server.process.pid) == before
    listed = [
        [m["content"] for m in heard.messages if m["role"] == "tool"][-1]
        for heard in model.heard
        if any(m["role"] == "tool" for m in heard.messages)
    ]
    assert len(listed) == 25
    assert all(text.count('"id":') == 1 for text in listed), listed


def held(pid: int) -> tuple[int, int]:
    """Child processes and threads of a process."""
    folder = Path(f"/proc/{pid}/task")
    children = (folder / str(pid) / "children").read_text().split()
    return len(children), len([*folder.iterdir()])


@requirement("chat:2:x-conversation-id")
@pytest.mark.parametrize("stream", [False, True])
def test_a_reply_of_a_conversation_names_it(
    scripted: Scripted, serve: Serve, model: Model, stream: bool
) -> None:
    """chat-server.md §2: x-conversation-id when one is in play."""
    server = serve(agent_yaml(scripted.url, model.name), "--conversations-max", "2")
    with server.client().stream("hi", headers=ID, stream=stream) as answer:
        assert answer.headers["x-conversation-id"] == "a/b c"
    assert "x-conversation-id" not in server.client().chat("hi").headers


@requirement("chat:7:system")
def test_system_messages_stay_those_of_the_first_turn(
    scripted: Scripted, serve: Serve, model: Model
) -> None:
    """chat-server.md §7: later ones are dropped."""
    server = serve(agent_yaml(scripted.url, model.name), "--conversations-max", "2")
    for rule in ("first rule", "second rule"):
        messages = [{"role": "system", "content": rule}, {"role": "user", "content": "hi"}]
        assert server.client().chat(messages, headers=ID).status == 200
    shown = "\n".join(m["content"] for m in model.heard[-1].messages if m["role"] == "system")
    assert "first rule" in shown
    assert "second rule" not in shown


@requirement("chat:1:shutdown-timeout")
def test_what_still_runs_after_the_drain_is_cut_with_an_error(
    scripted: Scripted, serve: Serve, model: Model
) -> None:
    """chat-server.md §1: --shutdown-timeout, then an error event."""
    gate = Gate()
    model.script(say("half") + hold(gate) + say("never"))
    server = serve(agent_yaml(scripted.url, model.name), "--shutdown-timeout", "300ms")
    with server.client().stream("hi") as stream:
        assert stream.next_text() == "half"
        server.signal(signal.SIGTERM)
        chunks = stream.rest()
        assert stream.done
    assert chunks[-1]["error"]["code"] == "draining"
    assert server.wait(5.0) == 0
    gate.open()


@requirement("chat:1:draining")
def test_a_draining_server_takes_no_new_request(
    scripted: Scripted, serve: Serve, model: Model
) -> None:
    """chat-server.md §1, §4: 503 with Retry-After for one whose body comes too late."""
    gate = Gate()
    model.script(say("one ") + hold(gate) + say("two"))
    server = serve(agent_yaml(scripted.url, model.name))
    body = b'{"messages": [{"role": "user", "content": "hi"}]}'
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body)
    )
    with server.client().stream("hi") as stream, server.client().connect() as late:
        assert stream.next_text() == "one "
        late.sendall(head)
        assert late.recv(4096).startswith(b"HTTP/1.1 100")
        server.signal(signal.SIGTERM)
        for _ in stopped_listening(server):
            pass
        late.sendall(body)
        answer = late.recv(4096)
        gate.open()
        stream.rest()
    assert answer.startswith(b"HTTP/1.1 503")
    assert b"retry-after: 1\r\n" in answer.lower()


@requirement("chat:1:draining", "chat:2:one-error-shape")
def test_a_request_that_is_cut_before_its_body_came_is_told_so_in_our_shape(
    scripted: Scripted, serve: Serve, model: Model
) -> None:
    """chat-server.md §2: every non-2xx body, also when the drain ends."""
    server = serve(agent_yaml(scripted.url, model.name), "--shutdown-timeout", "1s")
    with server.client().connect() as late:
        late.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
            b"Content-Length: 9\r\n\r\n"
        )
        assert late.recv(4096).startswith(b"HTTP/1.1 100")
        server.signal(signal.SIGTERM)
        answer = b"".join(iter(lambda: late.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 503")
    assert b'"code":"draining"' in answer
    assert server.wait() == 0
    assert "Traceback" not in server.log


@requirement("chat:4:stream", "chat:4:json")
@pytest.mark.parametrize("stream", [False, True])
def test_a_client_of_http_1_0_is_sent_no_chunks(
    scripted: Scripted, serve: Serve, model: Model, stream: bool
) -> None:
    """RFC 9112 §6.1: it reads the body as it is, until the connection is closed (ab, old
    proxies)."""
    server = serve(agent_yaml(scripted.url, model.name))
    question = {"model": "root", "stream": stream, "messages": [{"role": "user", "content": "hi"}]}
    body = json.dumps(question).encode()
    head = b"POST /v1/chat/completions HTTP/1.0\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
    with server.client().connect() as connection:
        connection.sendall(head % len(body) + body)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    fields, _, said = answer.partition(b"\r\n\r\n")
    assert fields.startswith(b"HTTP/1.1 200")
    assert b"transfer-encoding" not in fields
    assert b"\r\nconnection: close" in fields
    if stream:
        assert said.startswith(b"data: {")
        assert said.endswith(b"data: [DONE]\n\n")
        assert b"\r\n" not in said
    else:
        assert json.loads(said)["choices"][0]["message"]["content"] == "hi"
