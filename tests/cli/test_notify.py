"""The service manager learns how the server is. Source: sd_notify(3)."""

from __future__ import annotations

import signal
import socket
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.harness import STOP_LIMIT, agent_yaml
from tests.requirements import requirement
from tests.scripted.gate import Gate
from tests.scripted.model import Scripted
from tests.scripted.parts import begin, hold, say


@pytest.fixture(params=["file", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[socket.socket]:
    """What systemd listens on."""
    name = str(tmp_path / "notify") if request.param == "file" else f"\0{tmp_path}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(name)
        listening.settimeout(STOP_LIMIT)
        yield listening


def heard(manager: socket.socket) -> dict[str, str]:
    """The next thing the server says of itself."""
    lines = manager.recv(4096).decode().splitlines()
    return dict(line.split("=", 1) for line in lines)


@requirement("packaging:notify")
def test_the_manager_hears_of_start_reload_and_stop(
    manager: socket.socket, scripted: Scripted, serve: Serve
) -> None:
    """sd_notify(3): READY when it listens, RELOADING and READY around SIGHUP, STOPPING when it
    drains, not when it is done."""
    gate = Gate()
    scripted.model("notify").script(begin() + say("a") + hold(gate) + say("b"))
    bound = manager.getsockname()
    name = bound if isinstance(bound, str) else f"@{bound[1:].decode()}"
    server = serve(agent_yaml(scripted.url, "notify"), env={"NOTIFY_SOCKET": name})
    assert heard(manager)["READY"] == "1"
    server.signal(signal.SIGHUP)
    again = heard(manager)
    assert (again["RELOADING"], again["MONOTONIC_USEC"].isdigit()) == ("1", True)
    assert heard(manager)["READY"] == "1"
    with server.client().stream("go") as stream:
        gate.wait_reached()
        server.signal(signal.SIGTERM)
        assert heard(manager)["STOPPING"] == "1"
        gate.open()
        stream.rest()
    assert server.wait() == 0


@requirement("packaging:notify")
def test_a_manager_that_is_gone_stops_nothing(
    scripted: Scripted, serve: Serve, tmp_path: Path
) -> None:
    """sd_notify(3): what cannot be told is a warning."""
    scripted.model("notify-gone").forget()
    gone = str(tmp_path / "gone")
    server = serve(agent_yaml(scripted.url, "notify-gone"), env={"NOTIFY_SOCKET": gone})
    assert server.client().chat("hi").content == "hi"
    assert f"NOTIFY_SOCKET {gone}" in server.log
