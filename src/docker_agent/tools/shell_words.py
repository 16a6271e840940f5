"""The commands inside a shell command line, without their quotes. Pure.

It reads what `sh` would run, for rules and labels. It reads too much rather than too little: what
stands in here-documents or behind `case` patterns counts as commands too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from docker_agent.tools.ansi_quote import unescaped

MAX_READINGS = 200
"""Commands looked for inside one command."""

SUBSTITUTED = "$()"
"""What stands in a word for the output of a command."""

Words = tuple[str, ...]

_REDIRECT = re.compile(r"<<<|<<-|<<|<>|<&|<|>>|>\||>&|>")
_ANSI_QUOTE = re.compile(r"\$'((?:[^'\\]|\\.)*)(?:'|\\?\Z)", re.DOTALL)
_DESCRIPTOR = re.compile(r"[0-9]+|\{\w+\}")
_SEVERAL_WORDS = re.compile(r"[\s;&|]")
_BREAKS = frozenset(";&|()\n")
_HARMLESS_FILES = frozenset({"/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty"})
SHELLS = frozenset(("sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "fish"))
_PREFIXES = frozenset(
    (
        *("if", "then", "else", "elif", "while", "until", "do", "!", "{", "time", "coproc"),
        *("sudo", "doas", "su", "env", "command", "builtin", "exec", "eval", "trap", "nohup"),
        *("nice", "ionice", "timeout", "setsid", "stdbuf", "chroot", "unshare", "xargs"),
        *("parallel", "watch", "find", "fd", "strace", "busybox", "ssh", "source", "."),
        *("toybox", "script", "flock", "nsenter", "ltrace", "systemd-run", "gdb", "expect"),
        *("docker", "podman", "nerdctl", "kubectl", "uv", "npm", "npx", "pnpm", "yarn", "poetry"),
        *("nix-shell", "conda", "mamba", "tmux", "screen", "dbus-run-session", "xvfb-run"),
        *("fakeroot", "chrt", "taskset", "prlimit", "setpriv", "runuser", "bwrap", "firejail"),
        *("pkexec", "gosu", "su-exec", "tini", "dumb-init", "numactl", "setarch", "choom"),
        *("function", "complete", "bind", "jobs", "mapfile", "readarray", "rsync"),
        *("awk", "gawk", "mawk", "perl", "python", "python3", "ruby", "node"),
        *SHELLS,
    )
)
"""Words after which another command may stand."""


class Line(msgspec.Struct, frozen=True):
    """A command line: the words of each command in it, and the files its `>` write to, each with
    the operator before it."""

    commands: tuple[Words, ...]
    written: tuple[tuple[str, str], ...] = ()


def read(text: str, *, ansi: bool = True) -> Line:
    """The commands of a line, those in `$(…)`, backticks and subshells among them, without quotes,
    escapes and comments. A quote that never ends, ends with the text.

    `ansi` reads `$'…'` as bash does, not as a plain `sh`.
    """
    return _Reader(text, ansi).line()


def wrapped(words: Words) -> tuple[tuple[Words, ...], bool]:
    """What else a command may run: `rm x` for `sudo rm x`, `A=b /bin/rm x` or `sh -c 'rm x'`; and
    whether that is all of it, since only so many are looked for."""
    seen: dict[Words, None] = {words: None}
    waiting = [words]
    while waiting:
        for inner in _inside(waiting.pop()):
            if inner and inner not in seen:
                if len(seen) > MAX_READINGS:
                    return tuple(seen)[1:], False
                seen[inner] = None
                waiting.append(inner)
    return tuple(seen)[1:], True


def _inside(words: Words) -> Iterator[Words]:
    first = words[0]
    if "=" in first:
        yield words[1:]
        yield from _commands_in(first.partition("=")[2])
    if "/" in first:
        yield (first.rpartition("/")[2], *words[1:])
    if first.startswith("{") and "," in first:
        yield (*first.strip("{}").split(","), *words[1:])
    if first.lower() in _PREFIXES:
        for start in range(1, len(words)):
            yield words[start:]
        for word in words[1:]:
            yield from _commands_in(word)
            if word.startswith("-"):
                yield from _commands_in(word.partition("=")[2] or word[2:])


def _commands_in(word: str) -> Iterator[Words]:
    """The commands of a word that may be a line of its own."""
    if _SEVERAL_WORDS.search(word):
        yield from read(word).commands


class _Frame(msgspec.Struct, frozen=True):
    """What was being read when a substitution or subshell began; `closing` ends it."""

    closing: str
    substitution: bool
    quoted: bool
    word: str | None
    words: list[str]
    redirect: str


class _Reader:
    """One pass over a line, a character at a time."""

    def __init__(self, text: str, ansi: bool) -> None:
        self._text = text
        self._ansi = ansi
        self._at = 0
        self._word: str | None = None
        self._words: list[str] = []
        self._redirect = ""
        self._quoted = False
        self._frames: list[_Frame] = []
        self._commands: list[Words] = []
        self._written: list[tuple[str, str]] = []

    def line(self) -> Line:
        while self._at < len(self._text):
            if self._quoted:
                self._in_double_quotes()
            else:
                self._outside()
        while self._frames:
            self._close()
        self._end_command()
        return Line(tuple(self._commands), tuple(self._written))

    def _outside(self) -> None:
        char = self._text[self._at]
        match char:
            case "\\":
                self._escape()
            case "'":
                self._single_quotes()
            case '"':
                self._add("")
                self._quoted = True
                self._at += 1
            case "`":
                self._tick()
            case "$":
                self._dollar()
            case "#" if self._word is None:
                end = self._text.find("\n", self._at)
                self._at = len(self._text) if end < 0 else end
            case " " | "\t" | "\r":
                self._end_word()
                self._at += 1
            case ">" | "<":
                self._angle()
            case _ if char in _BREAKS:
                self._break(char)
            case _:
                self._add(char)
                self._at += 1

    def _in_double_quotes(self) -> None:
        char = self._text[self._at]
        match char:
            case '"':
                self._quoted = False
                self._at += 1
            case "\\":
                self._escape()
            case "`":
                self._tick()
            case "$":
                self._dollar()
            case _:
                self._add(char)
                self._at += 1

    def _escape(self) -> None:
        following = self._text[self._at + 1 : self._at + 2]
        if following != "\n":
            self._add(following)
        self._at += 2

    def _single_quotes(self) -> None:
        end = self._text.find("'", self._at + 1)
        end = len(self._text) if end < 0 else end
        self._add(self._text[self._at + 1 : end])
        self._at = end + 1

    def _dollar(self) -> None:
        following = self._text[self._at + 1 : self._at + 2]
        if following == "(":
            self._at += 2
            self._open(")", substitution=True)
        elif following == "'" and self._ansi and not self._quoted:
            found = _ANSI_QUOTE.match(self._text, self._at)
            assert found is not None
            self._add(unescaped(found[1]))
            self._at = found.end()
        elif following == '"' and not self._quoted:
            self._at += 1
        else:
            self._add("$")
            self._at += 1

    def _tick(self) -> None:
        self._at += 1
        if self._frames and self._frames[-1].closing == "`":
            self._close()
        else:
            self._open("`", substitution=True)

    def _break(self, char: str) -> None:
        self._at += 1
        if char == "(":
            self._open(")", substitution=False)
        elif char == ")" and self._frames and self._frames[-1].closing == ")":
            self._close()
        else:
            self._end_command()

    def _open(self, closing: str, *, substitution: bool) -> None:
        if not substitution:
            self._end_command()
        frame = _Frame(closing, substitution, self._quoted, self._word, self._words, self._redirect)
        self._frames.append(frame)
        self._quoted, self._word, self._words, self._redirect = False, None, [], ""

    def _close(self) -> None:
        self._end_command()
        frame = self._frames.pop()
        self._quoted, self._word = frame.quoted, frame.word
        self._words, self._redirect = frame.words, frame.redirect
        if frame.substitution:
            self._add(SUBSTITUTED)

    def _angle(self) -> None:
        found = _REDIRECT.match(self._text, self._at)
        assert found is not None
        self._at = found.end()
        if self._word is not None and _DESCRIPTOR.fullmatch(self._word):
            self._word = None
        self._end_word()
        if self._text[self._at : self._at + 1] == "(":
            self._at += 1
            self._open(")", substitution=True)
        else:
            self._redirect = found[0]

    def _add(self, text: str) -> None:
        self._word = (self._word or "") + text

    def _end_word(self) -> None:
        word, self._word = self._word, None
        if word is None:
            return
        operator, self._redirect = self._redirect, ""
        if not operator:
            self._words.append(word)
        elif ">" in operator and not _is_harmless(operator, word):
            self._written.append((operator, word))

    def _end_command(self) -> None:
        self._end_word()
        self._redirect = ""
        if self._words:
            self._commands.append(tuple(self._words))
            self._words = []


def _is_harmless(operator: str, target: str) -> bool:
    if operator == ">&" and (target.isdecimal() or target == "-"):
        return True
    return target in _HARMLESS_FILES
