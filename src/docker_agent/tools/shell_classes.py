"""What a shell command would do: safe, destructive or unknown, by its text alone. Pure.

Source: runtime.md §6.5 and appendix C. A label is a net, not a wall: who may write any command can
write one that nobody recognises; such a one is `unknown`, never `safe`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from docker_agent.messages import Label
from docker_agent.tools.shell_dangers import Danger, Severity, rank, worst_danger
from docker_agent.tools.shell_unseen import other_readings, unseen
from docker_agent.tools.shell_words import Line, read, wrapped

MAX_TEXT = 32_768
"""Characters of a command line in which commands are looked for."""

MAX_HIDDEN = 1000
"""Commands looked for inside one command line."""


class Finding(msgspec.Struct, frozen=True):
    """The label of a command; a destructive one has a severity and the shape that gave it away
    (`rm -r`)."""

    label: Label
    severity: Severity = ""
    shape: str = ""


class Inside(msgspec.Struct, frozen=True):
    """The commands that a command line runs, as texts.

    `parts` are those it says, a single one as it was written, several without their quotes; the
    files it writes to are among them (`> file`). `hidden` are those that parts may run in their
    turn. `whole` is false when there is more than was looked for, or than its text can show.
    """

    parts: tuple[str, ...]
    hidden: tuple[str, ...]
    whole: bool = True


def classify(command: str) -> Label:
    """`safe`, `destructive` or `unknown`."""
    return find(command).label


def find(command: str) -> Finding:
    """The label of a command, and why."""
    worst: Danger | None = None
    for line in _readings(command):
        found = worst_danger(line)
        if found is not None and (worst is None or rank(found) > rank(worst)):
            worst = found
    if worst is not None:
        return Finding("destructive", worst.severity, worst.shape)
    return Finding("safe" if _is_safe(command) else "unknown")


def inside(command: str) -> Inside:
    """The commands inside a command line, for rules that name commands."""
    if len(command) > MAX_TEXT:
        return Inside((command,), (), whole=False)
    lines = [*_readings(command)]
    parts = dict.fromkeys(" ".join(words) for words in lines[0].commands)
    if len(lines[0].commands) == 1:
        parts = {command.strip(): None}
    parts |= dict.fromkeys(f"{operator} {file}" for operator, file in lines[0].written)
    hidden: dict[str, None] = {}
    whole = not unseen(lines[0], globs="<<" not in command)
    for words in dict.fromkeys(words for line in lines for words in line.commands):
        inner, all_of_it = wrapped(words)
        others = [other for each in (words, *inner) for other in other_readings(each)]
        hidden |= dict.fromkeys(" ".join(each) for each in (words, *inner, *others))
        whole = whole and all_of_it and len(hidden) <= MAX_HIDDEN
        if not whole:
            break
    return Inside(tuple(parts), tuple(hidden), whole)


def _readings(command: str) -> Iterator[Line]:
    """As bash reads it, as a plain `sh` does, and line by line, so that a quote in a here-document
    hides nothing."""
    yield read(command)
    if "$'" in command:
        yield read(command, ansi=False)
    if "\n" in command:
        for line in command.splitlines():
            yield read(line)


_UNSAFE = re.compile(r"[;&|<>\\\n\r`]|\$[({\[]")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_UNSAFE_OUTSIDE_QUOTES = re.compile(r"[(){}'\"]")
_GLOB = re.compile(r"[*?\[]")
_CHANGING = re.compile(r"[*?\[$]")
"""What the shell replaces: a file may be named like an option."""
_OTHER_PROCESSES = re.compile(r"(?:^|[\s/])proc(?:[\s/]|$)|(?:^|\s)/+(?:\s|$)")
"""What other processes hold, the server's own variables among them, can be read there."""

_READERS = frozenset(
    (
        *("ls", "cat", "stat", "wc", "head", "tail", "pwd", "df", "du", "grep", "ps", "whoami"),
        *("uname", "which", "type", "echo", "printf", "basename", "dirname"),
    )
)
"""Programs that no argument makes write or run anything."""

_OPERAND = r"(?:[^-\s]\S*)"
_SHAPES = re.compile(
    "|".join(
        f"(?:{shape})"
        for shape in (
            rf"file {_OPERAND}(?: {_OPERAND})*",
            rf"tree(?: -[adfl]+| -l \d+)*(?: {_OPERAND})?",
            r"rg(?: (?!--pre|--hostname-bin|--search-zip|-[a-z]*z)\S+)+",
            rf"sort {_OPERAND}(?: {_OPERAND})*",
            rf"uniq {_OPERAND}",
            r"top(?: -b)? (?:-n 1|-n1|-bn1|-bn 1)",
            r"hostname(?: -[fis])?",
            r"date(?: -u| --utc| -i\w*| --iso-8601\S*)*(?: \+.*)?",
            r"git (?:status|diff|log|show)(?: (?!--o(?!neline(?: |$))|--ext)\S+)*",
            r"git branch(?: (?:-a|-r|-v|-vv|--show-current|--list))*",
            r"git remote(?: -v)?",
            r"git rev-parse .+",
            rf"git config (?:--list|-l|--get {_OPERAND})",
            rf"git blame {_OPERAND}",
            r"docker (?:ps|images|inspect|logs)(?: .*)?",
            r"docker (?:stats --no-stream|version|info|system df)",
            rf"docker top {_OPERAND}",
            r"kubectl (?:get|describe|logs|top|version)"
            r"(?: (?!--profile|--kubeconfig|--cache-dir|--log|--as)\S+)*",
            r"kubectl config view",
        )
    )
)


def _is_safe(command: str) -> bool:
    """Whether the whole command is of a known harmless shape."""
    if _UNSAFE.search(command) or _UNSAFE_OUTSIDE_QUOTES.search(_QUOTED.sub("", command)):
        return False
    commands = read(command).commands
    if len(commands) != 1:
        return False
    words = [word.lower() for word in commands[0]]
    if any(not word for word in words) or _OTHER_PROCESSES.search(" ".join(words)):
        return False
    if words[0] in _READERS:
        return not any(_GLOB.search(word) and _reaches_out(word) for word in words)
    if any(any(char.isspace() for char in word) for word in words[:2]):
        return False
    return _CHANGING.search(command) is None and _SHAPES.fullmatch(" ".join(words)) is not None


def _reaches_out(word: str) -> bool:
    return word.startswith(("/", "~", "$")) or ".." in word
