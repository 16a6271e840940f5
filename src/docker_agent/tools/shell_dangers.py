"""Shapes of commands that destroy: one row each, matched anywhere in a command line. Pure.

Source: runtime.md §6.5 and appendix C.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from docker_agent.tools.shell_words import Line

Severity = Literal["", "low", "medium", "high"]
_RANKS: tuple[Severity, ...] = ("", "low", "medium", "high")


class Danger(msgspec.Struct, frozen=True):
    """A program; words after it, a single one at once; options, one of each group (`r recursive`);
    an argument that fits a pattern; and at least so many operands."""

    severity: Severity
    shape: str
    program: str = ""
    words: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    argument: str = ""
    operands: int = 0


def rank(danger: Danger) -> int:
    """How bad it is: higher is worse."""
    return _RANKS.index(danger.severity)


def worst_danger(line: Line) -> Danger | None:
    """The worst row that fits anywhere in a command line; None when none does."""
    found = [_OVERWRITES for operator, _ in line.written if operator in _OVERWRITING]
    for words in line.commands:
        found.extend(_in_command(_tokens(" ".join(words))))
    return max(found, key=rank, default=None)


def _tokens(text: str) -> list[str]:
    """The words of a command, those inside its quoted words too."""
    text = _BLANKS.sub(" ", text).lower().replace("docker-compose", "docker compose")
    return [token for token in _SPLIT.split(text) if token]


def _in_command(tokens: Sequence[str]) -> Iterator[Danger]:
    """From the last word to the first, so that what follows each is known."""
    after = _After()
    for token in reversed(tokens):
        program = re.split("[/=]", token)[-1]
        program = "mkfs" if program.startswith("mkfs.") else program
        for danger in _BY_PROGRAM.get(program, ()):
            if after.fits(danger):
                yield danger
        after.add(token)


class _After:
    """The words after a place in a command."""

    def __init__(self) -> None:
        self._words: set[str] = set()
        self._letters: set[str] = set()
        self._first_operand = ""
        self._options: set[str] = set()
        self._fitting: set[str] = set()
        self._operands = 0

    def add(self, token: str) -> None:
        """One more word, in front of the others."""
        self._words.add(token)
        self._fitting.update(text for text, found in _ARGUMENTS if found.fullmatch(token))
        if token.startswith("--"):
            self._options.add(token[2:].partition("=")[0])
        elif token.startswith("-"):
            self._letters.update(token[1:])
        else:
            self._operands += 1
            self._first_operand = token

    def fits(self, danger: Danger) -> bool:
        """Whether a row whose program stands before these words fits."""
        return (
            self._operands >= danger.operands
            and self._has_words(danger.words)
            and all(self._has_option(group.split()) for group in danger.options)
            and (not danger.argument or danger.argument in self._fitting)
        )

    def _has_words(self, words: Sequence[str]) -> bool:
        if len(words) == 1:
            return self._first_operand == words[0]
        return self._words.issuperset(words)

    def _has_option(self, group: Sequence[str]) -> bool:
        letter, *names = group
        return letter in self._letters or any(
            len(option) > 2 and name.startswith(option)
            for option in self._options
            for name in names or [letter]
        )


_OVERWRITING = frozenset({">", ">|", ">&", "<>"})
_OVERWRITES = Danger("medium", "> file")
_BLANKS = re.compile(r"\$\{?ifs\b\}?", re.IGNORECASE)
_SPLIT = re.compile(r"[\s;&|()'\"`{},]+")

_ROOT_BIND = r"(?:-v=?|--volume=)?/:.*|(?:.*,)?(?:source|src)=/"

_FILES = (
    Danger("high", "rm -r", "rm", options=("r recursive",)),
    Danger("medium", "rm -f", "rm", options=("f force",)),
    Danger("low", "rm", "rm", operands=1),
    Danger("high", "find -delete", "find", argument=r"-delete"),
    *(
        Danger("high", f"find {option} rm", "find", ("rm", option))
        for option in ("-exec", "-execdir", "-ok", "-okdir")
    ),
    Danger("low", "xargs rm", "xargs", ("rm",)),
    Danger("high", "shred", "shred", operands=1),
    Danger("high", "dd", "dd", argument=r"of=/dev/.*|if=/dev/zero"),
    Danger("high", "mkfs", "mkfs", operands=1),
    Danger("high", "wipefs", "wipefs", operands=1),
    Danger("high", "rsync --delete", "rsync", argument=r"--del.*"),
    Danger("medium", "truncate -s", "truncate", options=("s size",)),
    Danger("medium", "mv", "mv", operands=1),
    Danger("medium", "cp -f", "cp", options=("f force",)),
    Danger("medium", "chmod -R 000", "chmod", options=("r recursive",), argument=r"0*000|0"),
    Danger("medium", "chown -R", "chown", options=("r recursive",)),
    Danger("low", "rmdir", "rmdir", operands=1),
    Danger("low", "ln -sf", "ln", options=("s symbolic", "f force")),
    Danger("low", "chmod -R 777", "chmod", options=("r recursive",), argument=r"0*777"),
)

_DOCKER = (
    Danger("high", "volume rm"),
    Danger("high", "container rm", options=("v volumes",)),
    Danger("high", "rm", options=("v volumes",)),
    Danger("high", "system prune", options=("volumes",)),
    Danger("high", "system prune", options=("a all", "f force")),
    Danger("high", "compose down", options=("v volumes",)),
    Danger("high", "run", argument=_ROOT_BIND),
    Danger("medium", "volume prune"),
    Danger("medium", "container rm"),
    Danger("medium", "rm"),
    Danger("medium", "image prune", options=("a all",)),
    Danger("medium", "system prune"),
    Danger("medium", "buildx prune"),
    Danger("medium", "compose rm", options=("v volumes",)),
    Danger("medium", "plugin rm"),
    Danger("low", "container prune"),
    Danger("low", "image rm"),
    Danger("low", "rmi"),
    Danger("low", "image prune"),
    Danger("low", "network rm"),
    Danger("low", "network prune"),
    Danger("low", "compose down"),
    Danger("low", "context rm"),
    Danger("low", "stop", argument=r"\$"),
    Danger("low", "kill"),
)

_DANGERS = (
    *_FILES,
    *(
        msgspec.structs.replace(
            danger,
            program=program,
            words=tuple(danger.shape.split()),
            shape=" ".join(
                (program, danger.shape, *(f"--{group.split()[-1]}" for group in danger.options))
            ),
        )
        for program in ("docker", "podman")
        for danger in _DOCKER
    ),
)
_BY_PROGRAM: Mapping[str, tuple[Danger, ...]] = {
    program: tuple(danger for danger in _DANGERS if danger.program == program)
    for program in {danger.program for danger in _DANGERS}
}
_ARGUMENTS = tuple((text, re.compile(text)) for text in {d.argument for d in _DANGERS} if text)
