"""A conversation in a terminal: reading lines, writing answers, and what Ctrl-C stops."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from anyio.from_thread import BlockingPortal, start_blocking_portal

from docker_agent.cli.opening import Opened
from docker_agent.cli.talk import Bounds, Talk, open_talk
from docker_agent.errors import ConfigError, Failure

PROMPT = "> "
STOP_LIMIT = 5.0
"""Seconds that an answer which was stopped gets to end what it began."""
HELP = """\
/new           begin a new conversation
/agent NAME    begin one with another agent
/agents        list the agents
/exit          end (so does Ctrl-D); Ctrl-C stops an answer
A line that ends in \\ goes on in the next one."""


def ask_once(opened: Opened, bounds: Bounds, question: str, fake: Path | None) -> None:
    """Print the answer to one question. Raises `ConfigError` when there is none."""
    with _talk(opened, bounds, fake) as (portal, talk):
        failure = _say(portal, talk, question)
    if failure is not None:
        raise ConfigError(failure.message)


def converse(opened: Opened, bounds: Bounds, fake: Path | None) -> None:
    """Read lines and print answers until the user has enough. Raises `ConfigError` when the team
    cannot be opened."""
    _edit_lines()
    with _talk(opened, bounds, fake) as (portal, talk):
        _tell(f"You talk to {talk.agent}. /help says what else there is.")
        for text in _inputs():
            if text.startswith("/"):
                if _command(talk, text) == "end":
                    return
            elif text.strip():
                try:
                    failure = _say(portal, talk, text)
                except KeyboardInterrupt:
                    _tell("stopped")
                    continue
                if failure is not None:
                    _tell(failure.message)


@contextmanager
def _talk(
    opened: Opened, bounds: Bounds, fake: Path | None
) -> Generator[tuple[BlockingPortal, Talk]]:
    """The conversation, whose loop runs in a thread, so that this one may wait for the keyboard."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(
            open_talk(opened, bounds, _write, _shown(), fake=fake)
        ) as talk,
    ):
        yield portal, talk


def _say(portal: BlockingPortal, talk: Talk, text: str) -> Failure | None:
    """Say `text` and wait for the answer's end; Ctrl-C stops it, and is raised then."""
    ended = threading.Event()

    async def saying() -> Failure | None:
        try:
            return await talk.say(text)
        finally:
            ended.set()

    answer = portal.start_task_soon(saying)
    try:
        return answer.result()
    except KeyboardInterrupt:
        answer.cancel()
        ended.wait(STOP_LIMIT)
        raise
    finally:
        _write("\n")


def _inputs() -> Iterator[str]:
    """What the user enters, until there is no more; Ctrl-C drops what was begun."""
    while True:
        try:
            text = input(PROMPT)
            while text.endswith("\\"):
                text = f"{text[:-1]}\n{input('… ')}"
        except EOFError:
            _write("\n")
            return
        except KeyboardInterrupt:
            _write("\n")
            continue
        yield text


def _command(talk: Talk, text: str) -> str:
    """Do what a line with `/` says; `end` when that is to end."""
    word, _, rest = text[1:].strip().partition(" ")
    match word:
        case "exit" | "quit":
            return "end"
        case "new":
            talk.begin_again()
            _tell("a new conversation")
        case "agent":
            try:
                talk.begin_again(rest.strip())
                _tell(f"a new conversation with {talk.agent}")
            except ConfigError as exc:
                _tell(str(exc))
        case "agents":
            for name in talk.team.listed:
                _tell(f"{name}: {talk.team.agents[name].description}")
        case _:
            _tell(HELP)
    return ""


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _shown() -> Callable[[str], None]:
    """What becomes of lines about tools: they are for people who watch."""
    return _tell_dimly if sys.stderr.isatty() else lambda _: None


def _tell_dimly(text: str) -> None:
    shown = "".join(character if character.isprintable() else " " for character in text)
    _tell(f"\x1b[2m  {shown}\x1b[0m")


def _edit_lines() -> None:
    """Arrow keys and a history for `input`, where Python has readline."""
    try:
        import readline
    except ImportError:
        return
    readline.set_history_length(1000)
