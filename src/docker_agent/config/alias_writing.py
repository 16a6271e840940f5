"""Changes to the aliases in a user's `config.yaml` that leave the rest of the file as it was
written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import msgspec

from docker_agent.config.aliases import Alias
from docker_agent.config.decode import decode
from docker_agent.config.tree import Raw
from docker_agent.config.yaml_writing import write_yaml
from docker_agent.disk import write_whole
from docker_agent.errors import ConfigError

_KEY = "aliases"


def write_aliases(path: Path, changes: Mapping[str, Alias | None]) -> None:
    """Set aliases in the file at `path`, which need not be there yet; None takes one out.

    Raises `ConfigError` for a file that cannot be read or written; a broken one is not touched.
    """
    path = path.resolve()
    try:
        old = path.read_bytes() if path.exists() else b""
        text = changed(old, str(path), changes)
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
        write_whole(path, text.encode(), mode=mode)
    except OSError as exc:
        raise ConfigError(f"{path} cannot be changed: {exc.strerror or exc}") from exc


def changed(old: bytes, name: str, changes: Mapping[str, Alias | None]) -> str:
    """The text of a file with other aliases; everything else in it stays, also what nobody here
    knows. Raises `ConfigError` when the old one is broken."""
    raw = decode(old, name)
    content: dict[str, object] = raw.plain()
    found = content.pop(_KEY, None)
    aliases = dict(cast(Mapping[str, object], found)) if isinstance(found, dict) else {}
    for each, alias in changes.items():
        aliases.pop(each, None)
        if alias is not None:
            aliases[each] = msgspec.to_builtins(alias)
    block = ""
    if aliases:
        content[_KEY] = aliases
        block = write_yaml({_KEY: aliases})
    text = _spliced(old.decode("utf-8-sig"), raw, block)
    try:
        same = decode(text.encode(), name).plain() == content
    except ConfigError:
        same = False
    return text if same else write_yaml(content)


def _spliced(text: str, raw: Raw, block: str) -> str:
    """The lines of the file with `block` in place of those of the old aliases, at the end when
    there were none."""
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    marks = dict(raw.key_marks())
    if _KEY not in marks:
        return "".join(lines) + block
    start = marks[_KEY].line - 1
    later = [mark.line - 1 for mark in marks.values() if mark.line - 1 > start]
    end = min(later, default=len(lines))
    while end > start + 1 and _belongs_to_next(lines[end - 1]):
        end -= 1
    return "".join(lines[:start]) + block + "".join(lines[end:])


def _belongs_to_next(line: str) -> bool:
    """Blank lines and comments that are not indented speak of what follows."""
    return not line.strip() or line.startswith("#")
