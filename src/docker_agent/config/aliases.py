"""Names a user has given to references: `aliases` in their `config.yaml`. Read generously.

Source: agent-file.md §7.2.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping

import msgspec

from docker_agent.config.tree import Raw

log = logging.getLogger(__name__)

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


class Alias(msgspec.Struct, frozen=True, omit_defaults=True):
    """A name for a reference. The options are for interactive runs; a server heeds `path` alone."""

    path: str
    yolo: bool = False
    model: str = ""
    hide_tool_results: bool = False
    sandbox: bool = False


def references(aliases: Mapping[str, Alias]) -> dict[str, str]:
    """What each alias stands for."""
    return {name: alias.path for name, alias in aliases.items()}


def read_aliases(table: Raw | None) -> Iterator[tuple[str, Alias]]:
    """The aliases of a mapping; a broken one is named in the log and skipped."""
    for name, value in table.items() if table is not None else ():
        try:
            alias = msgspec.convert(value.plain(), Alias)
        except msgspec.ValidationError as exc:
            log.warning("%s; this alias is skipped", value.error(str(exc)))
            continue
        if alias.path:
            yield name, alias


def read_old_aliases(table: Raw) -> Iterator[tuple[str, Alias]]:
    """Aliases in the form they once had: a name, and what it stands for."""
    for name, value in table.items():
        path = value.plain()
        if isinstance(path, str) and path:
            yield name, Alias(path)
