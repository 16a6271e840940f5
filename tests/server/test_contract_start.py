"""The command line: what starts, what does not, and what is said. Source: chat-server.md §1."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest

from docker_agent.cli.listen import Listen, parse_listen
from docker_agent.config.durations import parse_duration
from docker_agent.errors import ConfigError
from tests.conftest import Serve
from tests.harness import agent_yaml, run_command
from tests.requirements import requirement
from tests.scripted.gate import Gate
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import call, hold, say

NOWHERE = "http://127.0.0.1:9/v1"
CHAT = ("serve", "chat")


@pytest.fixture
def file(tmp_path: Path) -> str:
    """An agent file that would start."""
    path = tmp_path / "agent.yaml"
    path.write_text(agent_yaml(NOWHERE, "anything"))
    return str(path)


@requirement("chat:1:listen")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8083", Listen("127.0.0.1", 8083)),
        ("localhost:0", Listen("localhost", 0)),
        ("[::1]:9090", Listen("::1", 9090)),
        (":8083", Listen("", 8083)),
    ],
)
def test_addresses_are_read(text: str, expected: Listen) -> None:
    """chat-server.md §1: host:port, [::1]:port, :port."""
    assert parse_listen(text) == expected


@requirement("chat:1:listen")
@pytest.mark.parametrize("text", ["", "8083", "localhost", "::1:80", "host:-1", "host:x"])
def test_what_is_no_address_is_a_usage_error(text: str) -> None:
    """chat-server.md §1: exit status 2."""
    with pytest.raises(ConfigError) as caught:
        parse_listen(text)
    assert caught.value.usage


@requirement("chat:1:listen-key")
@pytest.mark.parametrize("address", ["0.0.0.0:0", ":0"])
def test_an_open_address_needs_a_key(tmp_path: Path, file: str, address: str) -> None:
    """chat-server.md §1: refused unless --insecure-no-auth."""
    done = run_command(*CHAT, file, "--listen", address, home=tmp_path)
    assert done.returncode == 1
    for way_out in ("--api-key-env", "127.0.0.1", "--insecure-no-auth"):
        assert way_out in done.stderr


@requirement("chat:1:wildcard", "chat:1:listen-key", "chat:4:insecure")
def test_a_wildcard_address_tells_what_is_bound_and_how_to_reach_it(
    scripted: Scripted, serve: Serve
) -> None:
    """chat-server.md §1, §4: any Host is answered then, another site's page still is not."""
    server = serve(agent_yaml(scripted.url, "open"), "--listen", "0.0.0.0:0", "--insecure-no-auth")
    assert server.banner[0] == f"Listening on 0.0.0.0:{server.port}"
    assert f" http://127.0.0.1:{server.port}/v1/" in server.banner[1]
    client = server.client("")
    assert client.get("/v1/models", headers={"Host": "box.example"}).status == 200
    crossing = client.get("/v1/models", headers={"Origin": "https://evil.example"})
    assert (crossing.status, crossing.error["code"]) == (403, "forbidden_origin")


@requirement("chat:1:api-key-env")
@pytest.mark.parametrize("env", [{}, {"TOKEN": ""}])
def test_a_named_key_that_is_not_there_stops_the_start(
    tmp_path: Path, file: str, env: dict[str, str]
) -> None:
    """chat-server.md §1: never an open server."""
    done = run_command(*CHAT, file, "--api-key-env", "TOKEN", home=tmp_path, env=env)
    assert done.returncode == 1
    assert "TOKEN" in done.stderr


@requirement("chat:1:api-key-env", "chat:1:env-from-file", "seed:runtime-flags")
def test_variables_come_from_files_too(
    scripted: Scripted, serve: Serve, model: Model, tmp_path: Path
) -> None:
    """seed.txt 145-147: --env-from-file, for the server's key and for a model's."""
    first, second = tmp_path / "first.env", tmp_path / "second.env"
    first.write_text("SERVER_KEY=open-sesame\n")
    second.write_text("MODEL_KEY=abc\n")
    file = agent_yaml(scripted.url, model.name, models={"root": {"token_key": "MODEL_KEY"}})
    flags = ("--env-from-file", str(first), "--env-from-file", str(second))
    server = serve(file, *flags, "--api-key-env", "SERVER_KEY")
    assert server.client().chat("hi").status == 401
    assert server.client(key="open-sesame").chat("hi").status == 200
    assert model.heard[0].headers["authorization"] == "Bearer abc"


@requirement("chat:1:working-dir", "seed:runtime-flags", "chat:6:confined")
def test_agents_work_in_the_working_directory_and_stay_there(
    scripted: Scripted, serve: Serve, model: Model, tmp_path: Path
) -> None:
    """chat-server.md §1, §6: filesystem without an allow_list is confined to it."""
    room = tmp_path / "room"
    room.mkdir()
    (room / "note.txt").write_text("milk")
    (tmp_path / "secret.txt").write_text("hidden")
    agent = {"model": model.name, "toolsets": [{"type": "filesystem"}]}
    server = serve(agent_yaml(scripted.url, {"root": agent}), "--working-dir", str(room))
    paths = ["note.txt", "../secret.txt", str(tmp_path / "secret.txt")]
    model.script(
        *(call("read_file", {"path": path}, id=f"c{n}") for n, path in enumerate(paths)),
        say("done"),
    )
    server.client().chat("read")
    told = [m["content"] for m in model.heard[-1].messages if m["role"] == "tool"]
    assert told[0] == "milk"
    assert all("hidden" not in text for text in told[1:]), told


@requirement("chat:1:loop")
@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_both_loops_serve(scripted: Scripted, serve: Serve, model: Model, loop: str) -> None:
    """chat-server.md §1: --loop."""
    server = serve(agent_yaml(scripted.url, model.name), "--loop", loop)
    assert server.client().chat("hi").content == "hi"


@requirement("chat:1:second-signal")
def test_a_second_signal_ends_at_once(scripted: Scripted, serve: Serve, model: Model) -> None:
    """chat-server.md §1: the first waits for running requests, the second does not."""
    gate = Gate()
    model.script(hold(gate) + say("late"))
    server = serve(agent_yaml(scripted.url, model.name))
    with server.client().stream("hi") as stream:
        stream.next()
        gate.wait_reached()
        server.signal(signal.SIGINT)
        while _is_listening(server.port):
            pass
        assert server.process.poll() is None
        server.signal(signal.SIGINT)
        server.wait(5.0)
    gate.open()


def _is_listening(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@requirement("chat:1:durations")
@pytest.mark.parametrize(
    ("text", "seconds"), [("300ms", 0.3), ("1m30s", 90), ("2h", 7200), ("1h0m0.5s", 3600.5)]
)
def test_durations_are_gos(text: str, seconds: float) -> None:
    """chat-server.md §1: 300ms, 1m30s, 2h."""
    assert parse_duration(text) == pytest.approx(seconds)  # pyright: ignore[reportUnknownMemberType] - untyped in pytest
