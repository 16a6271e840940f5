"""What ends a run ends it wherever it is: in a hook, in a function, in an MCP server, at an edit.

Source: runtime.md §3.8; chat-server.md §1. `test_ends.py` does the same for commands and teams.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Server, agent_yaml
from tests.processes import ENDED, carrying, wait_gone, wait_there
from tests.requirements import requirement
from tests.scripted.client import Stream
from tests.scripted.model import Scripted
from tests.scripted.parts import call, say
from tests.tools.mcp.opening import plain

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")

FUNCTIONS = """
import asyncio, os, threading
from pathlib import Path

NOTES = Path(os.environ["NOTES"])

def note(text):
    with NOTES.open("a") as file:
        file.write(text + "\\n")

async def wait_async() -> str:
    "Waits."
    note("async began")
    try:
        await asyncio.Event().wait()
    finally:
        note("async ended")

def wait_sync() -> str:
    "Blocks its thread."
    note("sync began")
    threading.Event().wait(600)
"""
WAITS = "trap '' TERM; setsid sleep 600 & nohup sleep 600 > /dev/null & sleep 600; sleep 600"
"""Four processes that do not want to end."""


class Wide:
    """A server whose agents each wait in a place of their own."""

    def __init__(self, scripted: Scripted, home: Path) -> None:
        self.notes = home / "notes"
        self.mark = str(random.randrange(10**17, 10**18))
        self.mcp = str(random.randrange(10**17, 10**18))
        (home / "functions.py").write_text(FUNCTIONS)
        env = {"TEST_MARK": self.mark}
        hook = {"type": "command", "command": WAITS, "env": env}
        mcp = plain(child=str(home / "pids"), stubborn=True, notes=str(self.notes), apart=True)
        edit = {"path": "*", "cmd": f"TEST_MARK={self.mark}; export TEST_MARK; {WAITS}"}
        think = {"type": "think"}
        agents: dict[str, dict[str, Any]] = {
            "guard": {
                "toolsets": [think],
                "hooks": {"pre_tool_use": [{"matcher": "think", "hooks": [hook]}]},
            },
            "start": {"hooks": {"session_start": hook}},
            "function": {"toolsets": [{"type": "python", "ref": "./functions.py"}]},
            "mcp": {"toolsets": [{"type": "mcp", **mcp, "env": {"TEST_MARK": self.mcp}}]},
            "lead": {"sub_agents": ["aide"]},
            "aide": {"toolsets": [{"type": "mcp", **mcp, "env": {"TEST_MARK": self.mcp}}]},
            "edit": {"toolsets": [{"type": "filesystem", "post_edit": [edit]}]},
        }
        self.models = {name: scripted.model(f"wide-{name}-{self.mark}") for name in agents}
        every = {name: {"model": self.models[name].name, **of} for name, of in agents.items()}
        file = home / "agent.yaml"
        file.write_text(agent_yaml(scripted.url, every))
        flags = ("--working-dir", str(home), "--request-timeout", "8s", "--shutdown-timeout", "1s")
        self.server = Server(file, *flags, home=home, env={"NOTES": str(self.notes)})

    def begin(self) -> list[Stream]:
        """A run in every place, all waiting; the clients' streams."""
        task = {"agent": "aide", "task": "t", "expected_output": ""}
        scripts = {
            "guard": call("think", {"thought": "x"}),
            "edit": call("write_file", {"path": "a", "content": "x"}),
            "function": call("wait_async", {}, index=0) + call("wait_sync", {}, id="c2", index=1),
            "mcp": call("slow", {}),
            "lead": call("transfer_task", task),
            "aide": call("slow", {}),
            "start": say("never"),
        }
        for name, script in scripts.items():
            self.models[name].script(script)
        self.notes.unlink(missing_ok=True)
        places = [name for name in scripts if name != "aide"]
        streams = [self.server.client(place).stream("go") for place in places]
        wait_there(self.mark, COMMANDS)
        self.wait_noted("async began", "sync began", "slow began\nslow began")
        return streams

    def wait_noted(self, *texts: str) -> None:
        """Wait until all of this was noted."""
        end = time.monotonic() + 20
        while missing := [text for text in texts if text not in self.noted]:
            assert time.monotonic() < end, missing
            time.sleep(0.02)

    @property
    def noted(self) -> str:
        """What functions and servers noted; the beginnings of calls stand first."""
        text = self.notes.read_text() if self.notes.exists() else ""
        return "\n".join(sorted(text.splitlines(), key=lambda line: "slow" not in line))


COMMANDS = 12
"""Processes of three commands that wait: of two hooks, and after an edit."""


@pytest.fixture(scope="module")
def wide(scripted: Scripted, tmp_path_factory: pytest.TempPathFactory) -> Generator[Wide]:
    """A server that goes on."""
    found = Wide(scripted, tmp_path_factory.mktemp("wide"))
    with found.server:
        yield found


@requirement("process:ends:everywhere")
@pytest.mark.parametrize("how", ["client", "deadline", "SIGTERM"])
def test_a_run_ends_wherever_it_is(wide: Wide, how: str) -> None:
    """runtime.md §3.8, chat-server.md §1: the client, the deadline, a stop; also what cannot be
    stopped, a thread, holds nothing up."""
    server, streams = wide.server, wide.begin()
    wait_there(wide.mcp, 4)
    began = time.monotonic()
    if how == "SIGTERM":
        server.signal(signal.SIGTERM)
    for stream in streams:
        if how != "client":
            word = "timeout" if how == "deadline" else "draining"
            assert stream.rest()[-1]["error"]["code"] == word
        stream.hang_up()
    if how == "SIGTERM":
        assert server.wait() == 0
        assert time.monotonic() - began < 1 + ENDED + 8
        assert carrying(wide.mark) == carrying(wide.mcp) == []
    else:
        wait_gone(wide.mark)
        wide.wait_noted("cancelled", "async ended")
        assert len(carrying(wide.mcp)) == 4
        assert server.client().get("/health").status == 200
    assert "async ended" in wide.noted
