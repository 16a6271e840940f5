"""What a skill is, and the front matter of its `SKILL.md`. Source: agent-file.md §2.5, runtime.md
§13.2."""

from __future__ import annotations

from typing import Protocol

import msgspec

from docker_agent.config.compose import MarkedError
from docker_agent.config.tree import Raw
from docker_agent.config.yaml_text import read_yaml
from docker_agent.errors import ConfigError

SKILL_FILE = "SKILL.md"
MAX_FILE = 1_000_000
"""Bytes of one file of a skill."""
MAX_NAME = 64
MAX_DESCRIPTION = 1024
"""Characters; the description of every skill stands in the prompt."""


class Texts(Protocol):
    """Where the texts of a skill come from."""

    async def body(self) -> str:
        """The instructions. Raises `ToolError`."""
        ...

    async def file(self, path: str) -> str:
        """A file beside them. Raises `ToolError`."""
        ...


class Head(msgspec.Struct, frozen=True):
    """The front matter of a skill; `fork` says that it works in a conversation of its own, with
    `model` (empty: the agent's), `allowed_tools` (none: all) and `toolsets` beside."""

    name: str
    description: str
    fork: bool = False
    model: str = ""
    allowed_tools: tuple[str, ...] = ()
    toolsets: tuple[str, ...] = ()


class Skill(msgspec.Struct, frozen=True):
    """One skill: its head, its texts, and the names of the files beside it."""

    head: Head
    texts: Texts
    files: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What it is called."""
        return self.head.name


class Written:
    """The texts of a skill that stands in the agent file."""

    def __init__(self, text: str) -> None:
        self._text = text

    async def body(self) -> str:
        return self._text

    async def file(self, path: str) -> str:
        from docker_agent.errors import ToolError

        raise ToolError("this skill has no files")


def read_skill_file(text: str, folder: str) -> tuple[Head, str]:
    """The head and the body of a `SKILL.md` that lies in `folder`.

    Raises `ConfigError` saying what is wrong with it.
    """
    front, body = _split(text)
    raw = _tree(front)
    name = _word(raw, "name") or folder
    description = _word(raw, "description")
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise ConfigError(f"the name must have 1 to {MAX_NAME} characters")
    if not description.strip():
        raise ConfigError("the key 'description' is missing or blank")
    head = Head(
        name=name.strip(),
        description=" ".join(description.split())[:MAX_DESCRIPTION],
        fork=_word(raw, "context") == "fork",
        model=_word(raw, "model"),
        allowed_tools=_words(raw, "allowed-tools"),
        toolsets=_words(raw, "toolsets"),
    )
    return head, body


def _split(text: str) -> tuple[str, str]:
    """The front matter between its two lines `---`, and what follows."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    if lines[0].rstrip() != "---":
        raise ConfigError("it must begin with front matter between two lines '---'")
    for number, line in enumerate(lines[1:], 1):
        if line.rstrip() == "---":
            return "\n".join(lines[1:number]), "\n".join(lines[number + 1 :]).strip("\n")
    raise ConfigError("its front matter has no second line '---'")


def _tree(front: str) -> Raw:
    try:
        node = read_yaml(front)
    except MarkedError as exc:
        raise ConfigError(f"line {exc.line + 1}: {exc}") from None
    if node is None:
        raise ConfigError("its front matter is empty")
    return Raw("", "", node)


def _word(raw: Raw, key: str) -> str:
    found = raw.get(key)
    value = None if found is None else found.plain()
    return str(value) if isinstance(value, str | int | float) else ""


def _words(raw: Raw, key: str) -> tuple[str, ...]:
    """A list, or a text with commas."""
    found = raw.get(key)
    if found is None:
        return ()
    value = found.plain()
    words = value.split(",") if isinstance(value, str) else value
    return tuple(str(word).strip() for word in words if str(word).strip()) if words else ()
