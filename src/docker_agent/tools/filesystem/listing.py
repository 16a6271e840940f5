"""Looking around: one directory as lines, a tree as JSON."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Annotated

import msgspec

from docker_agent.errors import ToolError
from docker_agent.messages import JSON, ToolResult
from docker_agent.tools.filesystem.handles import Entry, entries, is_directory
from docker_agent.tools.filesystem.places import Place
from docker_agent.tools.filesystem.work import Disk, Stop, printable, readable, visible

MAX_ENTRIES = 100
MAX_NODES = 100
"""Entries of one listing, and nodes of one tree (runtime.md §9.1)."""

TRUNCATED = "...output truncated due to file limit..."


class Directory(msgspec.Struct, frozen=True):
    """What `list_directory` and `directory_tree` take."""

    path: Annotated[str, msgspec.Meta(description="The directory to look at.")]


def list_directory(disk: Disk, wanted: Directory, stop: Stop) -> ToolResult:
    """`DIR  name` and `FILE name`, by name."""
    place = disk.boundary.locate(wanted.path)
    ignore, hidden = disk.ignore_at(place)
    shown = [] if hidden else visible(place, ignore)
    lines = [
        f"{_label(disk, place, entry)} {printable(entry.name)}" for entry in shown[:MAX_ENTRIES]
    ]
    if len(shown) > MAX_ENTRIES:
        lines.append(TRUNCATED)
    if not lines and (count := len(entries(place))):
        lines.append(f"({count} entries, all hidden: .git, or named in .gitignore)")
    return ToolResult("\n".join(lines))


def directory_tree(disk: Disk, wanted: Directory, stop: Stop) -> ToolResult:
    """The tree as JSON, level by level until `MAX_NODES`; a directory whose entries did not all
    fit says `truncated`."""
    place = disk.boundary.locate(wanted.path)
    if not is_directory(place):
        raise ToolError(f"{place.shown}: is not a directory")
    ignore, hidden = disk.ignore_at(place)
    root: dict[str, JSON] = _node(Path(place.real).name or "/", directory=True)
    waiting = deque([] if hidden else [(place, ignore, root)])
    count = 1
    while waiting:
        stop.check()
        here, ignore, node = waiting.popleft()
        for entry in readable(here, ignore):
            if count == MAX_NODES:
                node["truncated"] = True
                break
            count += 1
            child = _node(printable(entry.name), directory=entry.kind == "directory")
            node["children"].append(child)
            if entry.kind == "directory":
                below = here.child(entry.name)
                waiting.append((below, ignore.entering(below), child))
    return ToolResult(msgspec.json.encode(root).decode())


def _node(name: str, *, directory: bool) -> dict[str, JSON]:
    if directory:
        return {"name": name, "type": "directory", "children": []}
    return {"name": name, "type": "file"}


def _label(disk: Disk, place: Place, entry: Entry) -> str:
    directory = entry.kind == "directory"
    if entry.kind == "link":
        try:
            directory = is_directory(disk.boundary.locate(f"{place.real}/{entry.name}"))
        except ToolError:
            directory = False
    return "DIR " if directory else "FILE"
