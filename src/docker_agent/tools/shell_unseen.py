"""What the text of a command does not show: other readings of its words, and whether it runs what
cannot be read at all. Pure.

For rules alone: they see every reading, and count a command that cannot be read as anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from docker_agent.tools.shell_words import SHELLS, Line, Words

MAX_BRACES = 64
"""Words that the braces of one command are expanded to."""

_EXPANSION = re.compile(r"\$(?:\{[^}]*\}|\(\)|[A-Za-z_]\w*|[0-9@*#?$!-])")
_BRACES = re.compile(r"\{([^{},]*(?:,[^{},]*)+)\}")
_GLOB = re.compile(r"[*?\[]")
_COMMAND_OPTION = re.compile(r"-[a-zA-Z]*c")
_ASSIGNMENT = re.compile(r"[A-Za-z_][\w\[\]]*\+?=")
_GO_ON = frozenset(
    (
        *("if", "then", "else", "elif", "while", "until", "do", "!", "{", "time", "coproc"),
        *("sudo", "doas", "env", "command", "builtin", "exec", "nohup", "setsid"),
    )
)
"""Words that a command's name stands behind."""

_NAMES_COMMANDS = frozenset(("alias", "hash"))
"""What gives commands other names."""


def other_readings(words: Words) -> Iterator[Words]:
    """The words with their braces expanded, and as they are where every variable is empty."""
    if any(_BRACES.search(word) for word in words):
        words = tuple(_expanded(words))
        yield words
    if any("$" in word for word in words):
        kept = tuple(word for word in (_EXPANSION.sub("", each) for each in words) if word)
        if kept:
            yield kept


def _expanded(words: Words) -> Iterator[str]:
    waiting, room = list(reversed(words)), MAX_BRACES
    while waiting:
        word = waiting.pop()
        found = _BRACES.search(word)
        if found is None or room <= 0:
            yield word
            continue
        choices = found[1].split(",")
        room -= len(choices)
        waiting += [word[: found.start()] + each + word[found.end() :] for each in choices[::-1]]


def unseen(line: Line, *, globs: bool) -> bool:
    """Whether it runs something whose name, or whose text, only the shell will know. `globs` says
    whether a command's name may be a pattern: in a here-document it is a list's mark."""
    return any(_is_unseen(words, globs=globs) for words in line.commands)


def _is_unseen(words: Words, *, globs: bool) -> bool:
    first, *rest = words
    name = first.rpartition("/")[2]
    if _ASSIGNMENT.match(first) or name in _GO_ON:
        while rest and rest[0].startswith("-"):
            rest = rest[1:]
        return bool(rest) and _is_unseen(tuple(rest), globs=globs)
    if _EXPANSION.search(name):
        return True
    if globs and _GLOB.search(name) and any(char.isalnum() for char in name):
        return True
    if name in _NAMES_COMMANDS:
        return bool(rest)
    if name in ("eval", "source", "."):
        return bool(rest) and (_is_open(rest[0]) or rest[0].startswith("/dev/"))
    return name in SHELLS and _reads_unseen(rest)


def _reads_unseen(operands: list[str]) -> bool:
    """Whether a shell runs what it reads, or what a variable holds."""
    for place, word in enumerate(operands):
        if _COMMAND_OPTION.fullmatch(word):
            scripts = [each for each in operands[place + 1 :] if not each.startswith("-")]
            return bool(scripts) and _is_open(scripts[0])
        if not word.startswith(("-", "+")):
            return _is_open(word) or word.startswith("/dev/")
    return True


def _is_open(word: str) -> bool:
    """Whether an expansion stands where a command begins."""
    return _EXPANSION.match(word.lstrip()) is not None
