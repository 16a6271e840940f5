"""Conversations shared by several servers through a real Valkey. Source: chat-server.md §1, §7."""

from __future__ import annotations

import time
from pathlib import Path

import anyio
import pytest

from docker_agent.errors import RequestError
from docker_agent.messages import Conversation, Turn, UserMessage
from docker_agent.server.conversations.port import Key
from docker_agent.server.conversations.redis import open_redis
from tests.conftest import Serve
from tests.harness import agent_yaml, run_command
from tests.requirements import requirement
from tests.scripted.gate import Gate
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import hold, say
from tests.valkey import Valkey

pytestmark = pytest.mark.anyio
KEY = Key("ann", "root", "1")
ID = {"X-Conversation-Id": "shared"}


def of(text: str) -> Conversation:
    return Conversation((Turn((UserMessage(text),), "root"),))


def lease_name(valkey: Valkey) -> bytes:
    """The only lease there is."""
    found = valkey.command("KEYS", "*:lease:*").split(b"\r\n")
    assert found[0] == b"*1", found
    return found[2]


@requirement("server:redis")
async def test_a_lease_that_was_lost_keeps_nothing(valkey: Valkey) -> None:
    """chat-server.md §7: a server that was away too long does not overwrite what came after."""
    async with open_redis(valkey.url, 9, 60.0) as one, open_redis(valkey.url, 9, 60.0) as other:
        async with one.lease(KEY) as late:
            with pytest.raises(RequestError, match="busy"):
                async with other.lease(KEY):
                    pass
            valkey.command("DEL", lease_name(valkey))
            async with other.lease(KEY) as second:
                await second.put(of("second"))
                with pytest.raises(RequestError) as refused:
                    await late.put(of("late"))
                assert refused.value.kind == "conversation_busy"
            with pytest.raises(RequestError):
                await late.put(of("late"))
        async with one.lease(KEY) as again:
            assert again.conversation == of("second")


@requirement("server:redis")
async def test_a_lease_does_not_give_back_what_is_anothers(valkey: Valkey) -> None:
    """The token tells whose lease it is, at the end too."""
    async with open_redis(valkey.url, 9, 60.0) as store:
        async with store.lease(KEY):
            valkey.command("SET", lease_name(valkey), "anothers")
        with pytest.raises(RequestError, match="busy"):
            async with store.lease(KEY):
                pass


@requirement("server:redis")
async def test_a_lease_is_renewed_while_its_request_runs_and_ends_with_a_dead_server(
    valkey: Valkey,
) -> None:
    """A request may outlive the lease's life many times; a killed server blocks nobody for long."""
    async with open_redis(valkey.url, 9, 60.0, lease=0.9) as store:
        async with store.lease(KEY) as lease:
            name = lease_name(valkey)
            with anyio.fail_after(20):
                for _ in range(2):
                    valkey.command("PEXPIRE", name, "600")
                    while valkey.number("PTTL", name) <= 600:  # noqa: ASYNC110 nobody tells
                        await anyio.sleep(0.01)
            await lease.put(of("kept"))
        assert valkey.number("EXISTS", name) == 0
        valkey.command("SET", name, "of-a-dead-server", "PX", "200")
        with anyio.fail_after(20):
            while True:
                try:
                    async with store.lease(KEY) as after:
                        assert after.conversation == of("kept")
                        break
                except RequestError:
                    await anyio.sleep(0.01)


@requirement("server:redis")
async def test_nothing_outlives_its_time_in_the_store(valkey: Valkey) -> None:
    """Keys have a life of their own, should no server ever come back to sweep them."""
    async with open_redis(valkey.url, 9, 0.3) as store:
        async with store.lease(KEY) as lease:
            await lease.put(of("x"))
        assert await store.count() == 1
        with anyio.fail_after(20):
            while b"tion" in valkey.command("KEYS", "*"):  # noqa: ASYNC110 nobody tells
                await anyio.sleep(0.01)
        assert await store.count() == 0


@requirement("server:redis")
def test_two_servers_share_conversations(
    scripted: Scripted, serve: Serve, model: Model, valkey: Valkey
) -> None:
    """docs/how-to: several machines; a busy conversation is busy everywhere."""
    file = agent_yaml(scripted.url, model.name)
    flags = ("--conversations-max", "9", "--conversations", valkey.url)
    one, other = serve(file, *flags).client(), serve(file, *flags).client()
    gate = Gate()
    model.script(say("Hello Alice!"), say("Al") + hold(gate) + say("ice."))
    one.chat("I am Alice.", headers=ID)
    with other.stream("Who am I?", headers=ID) as stream:
        assert stream.next_text() == "Al"
        refused = one.chat("me too", headers=ID)
        assert (refused.status, refused.error["code"]) == (409, "conversation_busy")
        assert refused.headers["x-should-retry"] == "false"
        gate.open()
        stream.rest()
        assert stream.done
    one.chat("And now?", headers=ID)
    texts = [m["content"] for m in model.heard[-1].messages if m["role"] != "system"]
    assert texts == ["I am Alice.", "Hello Alice!", "Who am I?", "Alice.", "And now?"]


@requirement("server:redis")
def test_a_store_that_is_gone_is_a_503_and_only_for_those_who_need_it(
    scripted: Scripted, serve: Serve, model: Model, tmp_path: Path
) -> None:
    """chat-server.md §4: words a caller can act on; the password is in no log."""
    with Valkey(tmp_path, password="s3cret") as valkey:
        flags = ("--conversations-max", "9", "--conversations", valkey.url)
        server = serve(agent_yaml(scripted.url, model.name), *flags)
        client = server.client()
        assert client.chat("hi", headers=ID).status == 200
        valkey.stop()
        refused = client.chat("hi", headers=ID)
        assert (refused.status, refused.error["code"]) == (503, "store_unavailable")
        assert refused.headers["retry-after"] == "1"
        assert client.chat("hi").status == 200
        assert "docker_agent_conversations -1.0" in client.get("/metrics").text
        assert "s3cret" not in server.log


@requirement("server:redis")
@pytest.mark.parametrize(
    ("url", "status", "words"),
    [
        ("redis://:s3cret@127.0.0.1:1/0", 1, "redis://127.0.0.1:1/0: cannot be reached"),
        ("redis://127.0.0.1:1/x?no_such_option=1", 1, "--conversations redis://127.0.0.1:1"),
        ("reddis://:s3cret@127.0.0.1", 2, "reddis: no such store"),
    ],
)
def test_an_address_that_does_not_work_stops_the_start(
    tmp_path: Path, url: str, status: int, words: str
) -> None:
    """chat-server.md §1: one clear message, without the password."""
    file = tmp_path / "agent.yaml"
    file.write_text(agent_yaml("http://127.0.0.1:9/v1", "m"))
    flags = ("--listen", "127.0.0.1:0", "--conversations-max", "9", "--conversations", url)
    done = run_command("serve", "chat", str(file), *flags, home=tmp_path)
    assert done.returncode == status, done.stderr
    assert words in done.stderr
    assert "s3cret" not in done.stderr
    assert "Traceback" not in done.stderr


@requirement("server:redis")
def test_without_the_library_the_extra_is_named(tmp_path: Path) -> None:
    """The library is an extra; a store without a bound keeps nothing, and that is said."""
    (tmp_path / "redis.py").write_text("raise ImportError('not here')")
    file = tmp_path / "agent.yaml"
    file.write_text(agent_yaml("http://127.0.0.1:9/v1", "m"))
    command = ("serve", "chat", str(file), "--conversations", "redis://127.0.0.1:1")
    env = {"PYTHONPATH": str(tmp_path)}
    done = run_command(*command, "--conversations-max", "9", home=tmp_path, env=env)
    assert (done.returncode, "docker-agent[redis]" in done.stderr) == (1, True), done.stderr
    done = run_command(*command, home=tmp_path)
    assert (done.returncode, "--conversations-max" in done.stderr) == (2, True), done.stderr


@requirement("server:redis")
def test_closing_is_quick_although_the_store_is_gone(
    scripted: Scripted, serve: Serve, model: Model, tmp_path: Path
) -> None:
    """chat-server.md §1: the drain is bounded."""
    with Valkey(tmp_path) as valkey:
        flags = ("--conversations-max", "9", "--conversations", valkey.url)
        server = serve(agent_yaml(scripted.url, model.name), *flags)
        assert server.client().chat("hi", headers=ID).status == 200
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 10
