"""The command line: what starts, what does not, and what is said. Source: chat-server.md §1."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest

from docker_agent import __version__
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


@requirement("chat:1:version")
def test_the_version_is_one_line(tmp_path: Path) -> None:
    """chat-server.md §1: `docker-agent version`."""
    for words in (("version",), ("--version",)):
        assert run_command(*words, home=tmp_path).stdout == f"docker-agent version {__version__}\n"


@requirement("chat:1:help")
@pytest.mark.parametrize(
    "words", [(), ("serve",), CHAT, ("version",), ("models",), ("completion",)]
)
def test_help_is_everywhere(tmp_path: Path, words: tuple[str, ...]) -> None:
    """chat-server.md §1: `--help` everywhere."""
    done = run_command(*words, "--help", home=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: docker-agent")


@requirement("chat:1:start-errors")
@pytest.mark.parametrize(
    ("content", "flags", "expected"),
    [
        (None, (), "missing.yaml"),
        ("agents: [", (), "agent.yaml:"),
        ("agents:\n  root:\n    model: openai/gpt-5\n    modle: x\n", (), "modle"),
        ("version: '12'\n", (), "no agents are defined"),
        ("agents:\n  root:\n    model: openai/gpt-5\n", (), "OPENAI_API_KEY"),
        (agent_yaml(NOWHERE, "x"), ("--working-dir", "/nonexistent"), "--working-dir"),
        (agent_yaml(NOWHERE, "x"), ("--env-from-file", "none.env"), "none.env"),
        (agent_yaml(NOWHERE, "x"), ("--log-file", "/nonexistent/log"), "--log-file"),
    ],
)
def test_what_is_wrong_is_said_once_on_stderr(
    tmp_path: Path, content: str | None, flags: tuple[str, ...], expected: str
) -> None:
    """chat-server.md §1: one clear message, exit status 1, no traceback."""
    name = "missing.yaml"
    if content is not None:
        name = "agent.yaml"
        (tmp_path / name).write_text(content)
    done = run_command(*CHAT, name, "--listen", "127.0.0.1:0", *flags, home=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


@requirement("chat:1:start-errors")
def test_a_taken_port_is_said(tmp_path: Path, file: str) -> None:
    """chat-server.md §1: exit status 1 and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run_command(*CHAT, file, "--listen", address, home=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert address in done.stderr
    assert "Traceback" not in done.stderr


@requirement("chat:1:usage-errors")
@pytest.mark.parametrize(
    "flags",
    [
        ("--request-timeout", "5"),
        ("--request-timeout", "soon"),
        ("--listen", "nonsense"),
        ("--listen", "127.0.0.1:99999"),
        ("--loop", "curio"),
        ("--safety", "reckless"),
        ("--max-turns", "0"),
        ("--max-request-size", "big"),
        ("--no-such-flag",),
    ],
)
def test_a_flag_that_cannot_be_read_is_status_2(
    tmp_path: Path, file: str, flags: tuple[str, ...]
) -> None:
    """chat-server.md §1: 2 for a flag's syntax or value."""
    done = run_command(*CHAT, file, *flags, home=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert flags[0] in done.stderr


@requirement("chat:1:agent")
def test_an_unknown_agent_stops_the_start(tmp_path: Path, scripted: Scripted) -> None:
    """chat-server.md §1: a start error naming the agents there are."""
    (tmp_path / "team.yaml").write_text(agent_yaml(scripted.url, {"writer": "w", "critic": "c"}))
    done = run_command(*CHAT, "team.yaml", "-a", "nobody", home=tmp_path)
    assert done.returncode == 1
    assert "writer, critic" in done.stderr


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


@requirement("chat:1:global-flags")
def test_global_flags_stand_before_and_after_the_command(
    scripted: Scripted, serve: Serve, model: Model, tmp_path: Path, file: str
) -> None:
    """chat-server.md §1: -d, --log-file and the three directories."""
    log = tmp_path / "server.log"
    folders = [f"--{name}-dir={tmp_path / name}" for name in ("cache", "config", "data")]
    server = serve(agent_yaml(scripted.url, model.name), "-d", "--log-file", str(log), *folders)
    assert server.client().chat("hi").status == 200
    server.stop()
    assert "docker_agent" in log.read_text()
    assert server.log == ""
    before = ("--log-file", "/nonexistent/log", *CHAT, file)
    done = run_command(*before, home=tmp_path)
    assert done.returncode == 1
    assert "--log-file" in done.stderr


@requirement("chat:1:durations")
@pytest.mark.parametrize(
    ("text", "seconds"), [("300ms", 0.3), ("1m30s", 90), ("2h", 7200), ("1h0m0.5s", 3600.5)]
)
def test_durations_are_gos(text: str, seconds: float) -> None:
    """chat-server.md §1: 300ms, 1m30s, 2h."""
    assert parse_duration(text) == pytest.approx(seconds)  # pyright: ignore[reportUnknownMemberType] - untyped in pytest
