"""Agents with MCP servers, seen from outside. Source: runtime.md §10, DESIGN.md §4,
chat-server.md §1 and §2."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Serve
from tests.harness import Server, agent_yaml, run_command
from tests.requirements import requirement
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import call, say
from tests.tools.mcp.opening import LIMIT, alive, plain
from tests.tools.mcp.serving import served_beside
from tests.tools.mcp.test_http import streamable


def until(told: Callable[[], bool]) -> None:
    """Wait for another process, bounded."""
    end = time.monotonic() + LIMIT
    while not told():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def far() -> Generator[str]:
    """A remote server in a thread of its own; its address."""
    with served_beside(streamable) as url:
        yield f"{url}/mcp"


def with_servers(scripted: Scripted, model: Model, *toolsets: dict[str, Any]) -> str:
    """An agent `root` with these MCP servers."""
    listed = [{"type": "mcp", **toolset} for toolset in toolsets]
    return agent_yaml(scripted.url, {"root": {"model": model.name, "toolsets": listed}})


def results(model: Model) -> list[str]:
    """The tool messages the model was shown last."""
    return [m["content"] for m in model.heard[-1].messages if m["role"] == "tool"]


def ready(server: Server, *, key: str = "") -> tuple[int, str]:
    """What `/ready` says."""
    answer = server.client(key=key).get("/ready")
    return answer.status, answer.text


@requirement("mcp:serve:answers", "mcp:serve:ready", "chat:1:slow-toolsets", "chat:2:not-ready")
def test_the_socket_answers_before_slow_servers_are_there(
    scripted: Scripted, serve: Serve, model: Model, tmp_path: Path
) -> None:
    """chat-server.md §1: the socket answers at once; §2: `/ready` names what is missing only with
    the key; the first run waits for its servers."""
    sign = tmp_path / "sign"
    slow, quick = plain(wait_for=str(sign)), plain()
    file = with_servers(scripted, model, {"name": "slow", **slow}, {"name": "quick", **quick})
    server = serve(file, "--api-key", "k")
    assert server.client(key="k").get("/v1/models").status == 200
    status, text = ready(server)
    assert status == 503 and "slow" not in text
    until(lambda: "quick" not in ready(server, key="k")[1])
    status, text = ready(server, key="k")
    assert status == 503 and "slow" in text
    model.script(call("slow_echo", {"text": "now"}), say("done"))
    with server.client(key="k").stream("go") as stream:
        sign.touch()
        assert "done" in stream.read_to_end().decode()
    assert results(model) == ['{"text": "now"}']
    assert ready(server)[0] == 200


@requirement("mcp:serve:without")
def test_a_run_goes_on_without_a_server_that_does_not_come(
    scripted: Scripted, serve: Serve, model: Model, tmp_path: Path
) -> None:
    """DESIGN.md §4: up to `startup_timeout`, then without it, which the log and /ready say."""
    keys = {"lifecycle": {"startup_timeout": "1s"}, **plain(wait_for=str(tmp_path / "never"))}
    file = with_servers(scripted, model, {"name": "late", **keys}, {"name": "here", **plain()})
    server = serve(file)
    model.script(say("without"))
    assert server.client().chat("go").content == "without"
    assert all(name.startswith("here_") for name in model.heard[0].tool_names)
    assert "toolset late of agent root is left out" in server.log
    until(lambda: "did not start within 1 seconds" in ready(server)[1])


@requirement("mcp:serve:required")
def test_a_required_server_that_fails_stops_the_start(
    scripted: Scripted, model: Model, tmp_path: Path
) -> None:
    """runtime.md §1.2: `required`, and profile `strict`, are fatal at the start, with the place."""
    for lifecycle in ({"required": True}, {"profile": "strict"}):
        keys = {"lifecycle": lifecycle, **plain(exit=4)}
        path = tmp_path / "agent.yaml"
        path.write_text(with_servers(scripted, model, keys))
        done = run_command("serve", "chat", str(path), "--listen", "127.0.0.1:0", home=tmp_path)
        assert done.returncode == 1
        assert "agents.root.toolsets[0]: is required and could not be started" in done.stderr
        assert "exit status 4" in done.stderr
        assert "Traceback" not in done.stderr


@requirement("mcp:serve:ends")
@pytest.mark.parametrize("how", ["client", "deadline", "SIGTERM"])
def test_calls_and_servers_end_with_what_asked_for_them(
    scripted: Scripted, serve: Serve, model: Model, tmp_path: Path, how: str
) -> None:
    """Issue: the client, the deadline and SIGTERM end calls and processes within 2 seconds."""
    pids, notes = tmp_path / "pids", tmp_path / "notes"
    keys = plain(child=str(pids), stubborn=True, notes=str(notes))
    flags = ("--request-timeout", "2s") if how == "deadline" else ()
    server = serve(with_servers(scripted, model, keys), *flags, "--shutdown-timeout", "300ms")
    until(lambda: ready(server)[0] == 200)
    processes = [int(pid) for pid in pids.read_text().split()]
    assert all(map(alive, processes))
    model.script(call("slow"), say("never"))
    with server.client().stream("go") as stream:
        until(lambda: notes.exists() and "slow began" in notes.read_text())
        began = time.monotonic()
        if how == "client":
            stream.hang_up()
        elif how == "SIGTERM":
            server.signal(signal.SIGTERM)
        else:
            assert "timeout" in stream.read_to_end().decode()
    if how == "SIGTERM":
        server.wait()
        assert time.monotonic() - began < 4
        assert not any(map(alive, processes))
    else:
        until(lambda: "cancelled" in notes.read_text())
        assert time.monotonic() - began < 4


@requirement("mcp:serve:safety")
def test_the_mode_refuses_what_says_nothing_of_itself_and_the_log_lists_it(
    scripted: Scripted, serve: Serve, model: Model
) -> None:
    """runtime.md §6.4: MCP tools with readOnlyHint run in restricted mode, others do not."""
    server = serve(
        with_servers(scripted, model, {"name": "p", **plain()}), "--safety", "restricted"
    )
    model.script(call("p_echo", {"text": "read"}) + call("p_notes", index=1), say("done"))
    assert server.client().chat("go").content == "done"
    read, refused = results(model)
    assert read == '{"text": "read"}'
    assert "safety mode 'restricted'" in refused
    until(lambda: "refuses: p_slow" in server.log)


@requirement("mcp:serve:reload")
def test_a_reload_starts_new_servers_and_ends_the_old_ones(
    scripted: Scripted, serve: Serve, model: Model, tmp_path: Path
) -> None:
    """DESIGN.md §4: a team's servers live and end with their generation."""
    starts, pids = tmp_path / "starts", tmp_path / "pids"
    server = serve(with_servers(scripted, model, plain(starts=str(starts), child=str(pids))))
    until(lambda: ready(server)[0] == 200)
    old = [int(pid) for pid in pids.read_text().split()]
    server.signal(signal.SIGHUP)
    until(lambda: starts.read_text().count("started") == 2)
    until(lambda: not any(map(alive, old)))
    model.script(call("echo", {"text": "new"}), say("done"))
    assert server.client().chat("go").content == "done"
    assert results(model) == ['{"text": "new"}']


@requirement("mcp:serve:users")
def test_two_users_share_the_server_and_not_their_calls(
    scripted: Scripted, serve: Serve, model: Model, tmp_path: Path
) -> None:
    """runtime.md §1.3: the connection is the team's; a call that is cancelled is one user's."""
    notes = tmp_path / "notes"
    server = serve(with_servers(scripted, model, plain(notes=str(notes))))
    model.script(call("slow"), say("never"))
    with server.client().stream("first") as first:
        until(lambda: notes.exists() and "slow began" in notes.read_text())
        model.script(call("echo", {"text": "second"}), say("done"))
        assert server.client().chat("second").content == "done"
        assert results(model) == ['{"text": "second"}']
        first.hang_up()
    until(lambda: "cancelled" in notes.read_text())


@requirement("mcp:serve:passed")
def test_headers_of_the_request_reach_a_remote_server(
    scripted: Scripted, serve: Serve, model: Model, far: str
) -> None:
    """runtime.md §8.6: `${headers.X}` of the client's own request, for that request alone."""
    headers = {"Authorization": "Bearer ${headers.X-Upstream-Token}"}
    keys = {"remote": {"url": far, "headers": headers}, "allow_private_ips": True}
    server = serve(with_servers(scripted, model, {"name": "far", **keys}))
    assert ready(server)[0] == 200
    for token in ("anna", "ben"):
        model.script(call("far_headers"), say("done"))
        sent = {"X-Upstream-Token": token}
        assert server.client().chat("go", headers=sent).content == "done"
        assert json.loads(results(model)[0])["authorization"] == f"Bearer {token}"
    model.script(say("without"))
    assert server.client().chat("go").content == "without"
    assert model.heard[-1].tool_names == []


@requirement("mcp:real:time")
def test_the_time_server_from_pypi_answers(scripted: Scripted, serve: Serve, model: Model) -> None:
    """A real server of the new protocol, from PyPI."""
    keys: dict[str, Any] = {"command": sys.executable, "args": ["-m", "mcp_server_time"]}
    server = serve(
        with_servers(scripted, model, {"ref": "clock"}).replace(
            '"agents"', f'"mcps": {{"clock": {json.dumps(keys)}}},\n "agents"', 1
        )
    )
    asked = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
    model.script(call("convert_time", asked), say("done"))
    assert server.client().chat("what time is it in Tokyo?").content == "done"
    assert "T21:00:00+09:00" in results(model)[0]
