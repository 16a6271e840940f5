"""`docker-agent chat`: an agent in the terminal, through the same runtime as the server's."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.harness import COMMAND, agent_yaml, clean_environment
from tests.requirements import requirement
from tests.scripted.gate import Gate
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import call, fail, hold, say

LIMIT = 30.0
"""Seconds until something must have been shown."""


@pytest.fixture
def agent(scripted: Scripted, model: Model, tmp_path: Path) -> Path:
    """An agent file with two agents, of which `root` may look at files."""
    file = tmp_path / "agent.yaml"
    agents = {
        "root": {"model": model.name, "toolsets": [{"type": "filesystem"}]},
        "other": {"model": f"{model.name}-2", "instruction": "Another."},
    }
    file.write_text(agent_yaml(scripted.url, agents))
    return file


def _chat(
    agent: Path, *arguments: str, piped: str | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "chat", str(agent), *arguments],
        env=clean_environment(agent.parent),
        cwd=agent.parent,
        input=piped,
        stdin=subprocess.DEVNULL if piped is None else None,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )


@requirement("cli:chat:once")
def test_a_message_is_answered_and_that_is_all(agent: Path, model: Model) -> None:
    """The answer alone on stdout; tools run in the working directory."""
    (agent.parent / "note.txt").write_text("the note")
    model.script(call("read_file", {"path": "note.txt"}), say("It says ", "hello."))
    done = _chat(agent, "What", "is", "in", "it?")
    assert (done.returncode, done.stdout, done.stderr) == (0, "It says hello.\n", "")
    assert model.heard[0].messages[-1]["content"] == "What is in it?"
    assert "the note" in model.heard[1].messages[-1]["content"]


@requirement("cli:chat:once")
def test_what_is_piped_in_follows_the_message(agent: Path, model: Model) -> None:
    """Both together, or one of them."""
    assert _chat(agent, "Review:", piped="a diff\n").stdout == "Review:\n\na diff\n"
    assert _chat(agent, piped="alone\n").stdout == "alone\n"
    assert [heard.messages[-1]["content"] for heard in model.heard] == [
        "Review:\n\na diff",
        "alone",
    ]


@requirement("cli:chat:once")
def test_a_failure_is_a_line_and_an_exit_status(agent: Path, model: Model) -> None:
    """No traceback, no empty success."""
    model.script(fail(400, "no such luck"))
    done = _chat(agent, "hi")
    assert done.returncode == 1
    assert "no such luck" in done.stderr
    assert "Traceback" not in done.stderr
    nothing = _chat(agent)
    assert nothing.returncode == 2
    assert "there is no message" in nothing.stderr
    nobody = _chat(agent, "-a", "nobody", "hi")
    assert (nobody.returncode, "agent 'nobody' not found" in nobody.stderr) == (1, True)


class Terminal:
    """The command in a terminal of its own: lines go in, what is shown comes out."""

    def __init__(self, agent: Path, *arguments: str) -> None:
        self._end, inside = pty.openpty()
        self.process = subprocess.Popen(
            [*COMMAND, "chat", str(agent), *arguments],
            env=clean_environment(agent.parent, {"TERM": "dumb"}),
            cwd=agent.parent,
            stdin=inside,
            stdout=inside,
            stderr=inside,
            start_new_session=True,
            preexec_fn=_own_terminal,
        )
        os.close(inside)
        self._seen = ""

    def wait_for(self, text: str, *, pressing: bytes = b"") -> str:
        """Everything shown up to and with `text`, since the last call. `pressing` a key again and
        again, as a user would whose key was lost: what readline does at that moment decides."""
        until = time.monotonic() + LIMIT
        self.press(pressing)
        while text not in self._seen:
            assert time.monotonic() < until, self._seen
            if not select.select([self._end], [], [], 3.0)[0]:
                self.press(pressing)
                continue
            try:
                self._seen += os.read(self._end, 65536).decode(errors="replace")
            except OSError:
                raise AssertionError(f"it ended after: {self._seen}") from None
        before, _, self._seen = self._seen.partition(text)
        return before + text

    def enter(self, text: str) -> None:
        """Type a line."""
        os.write(self._end, f"{text}\n".encode())

    def press(self, key: bytes) -> None:
        """Press one key."""
        os.write(self._end, key)

    def close(self) -> None:
        """End it, if it has not ended."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._end)


def _own_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.fixture
def terminal(agent: Path) -> Generator[Terminal]:
    """A conversation under way."""
    shown = Terminal(agent)
    try:
        shown.wait_for("You talk to root. /help says what else there is.")
        shown.wait_for("> ")
        yield shown
    finally:
        shown.close()


@requirement("cli:chat:conversation")
def test_a_conversation_goes_on_until_it_is_ended(
    terminal: Terminal, model: Model, scripted: Scripted
) -> None:
    """The history is kept, tools are shown, commands are obeyed, Ctrl-D ends."""
    model.script(call("list_directory", {"path": "."}), say("Hello Ann."), say("Ann."))
    terminal.enter("I am Ann")
    assert "root: " in terminal.wait_for("Hello Ann.")
    terminal.wait_for("> ")
    terminal.enter("Who am \\")
    terminal.enter("I?")
    terminal.wait_for("Ann.")
    terminal.wait_for("> ")
    roles = [message["role"] for message in model.heard[-1].messages]
    assert roles[-5:] == ["user", "assistant", "tool", "assistant", "user"]
    assert model.heard[-1].messages[-1]["content"] == "Who am \nI?"
    terminal.enter("/agents")
    terminal.wait_for("other: ")
    terminal.enter("/agent nobody")
    terminal.wait_for("agent 'nobody' not found; there are: root, other")
    terminal.enter("/agent other")
    terminal.wait_for("a new conversation with other")
    other = scripted.model(f"{model.name}-2")
    other.script(say("Here ", "I am."))
    terminal.enter("Who are you?")
    terminal.wait_for("Here I am.")
    terminal.wait_for("> ")
    assert [message["role"] for message in other.heard[0].messages] == ["system", "user"]
    terminal.enter("/help")
    terminal.wait_for("Ctrl-C stops an answer")
    terminal.wait_for("> ")
    terminal.press(b"\x04")
    assert terminal.process.wait(LIMIT) == 0


@requirement("cli:chat:stop")
def test_ctrl_c_stops_an_answer_and_nothing_else(terminal: Terminal, model: Model) -> None:
    """The model's call ends, the conversation stays as it was, the next answer comes."""
    gate = Gate()
    model.script(say("one two ") + hold(gate) + say("three"), fail(400, "broken"), say("again"))
    terminal.enter("count")
    terminal.wait_for("one two ")
    terminal.wait_for("stopped", pressing=b"\x03")
    terminal.wait_for("> ")
    gate.open()
    terminal.enter("fail")
    terminal.wait_for("broken")
    terminal.wait_for("> ")
    terminal.wait_for("> ", pressing=b"\x03")
    terminal.enter("and now?")
    terminal.wait_for("again")
    assert [m["content"] for m in model.heard[-1].messages if m["role"] == "user"] == ["and now?"]
    terminal.wait_for("> ")
    terminal.enter("/exit")
    assert terminal.process.wait(LIMIT) == 0
