"""A command line as a model writes it: its arguments in order, judged by their text, and placed in
a directory."""

from __future__ import annotations

import re
from collections.abc import Mapping
from os.path import expanduser, normpath  # Path.expanduser raises without a home
from pathlib import Path
from typing import Annotated

import msgspec

from docker_agent.messages import JSON, Meaning
from docker_agent.tools.shell_classes import find, inside

Line = Annotated[str, msgspec.Meta(description="The command line to run.")]
Where = Annotated[
    str, msgspec.Meta(description="The directory to run it in; `.` is the working directory.")
]


def tidy_line(arguments: Mapping[str, JSON]) -> Mapping[str, JSON]:
    """The command under the one name that rules and hooks look for; `cmd` wins over its alias."""
    if arguments.get("command") is None:
        return arguments
    rest = {key: value for key, value in arguments.items() if key != "command"}
    return rest if rest.get("cmd") is not None else {**rest, "cmd": arguments["command"]}


def placed(working_dir: Path, cwd: str) -> Path:
    """The directory that `cwd` means."""
    return Path(normpath(working_dir / expanduser(cwd)))  # noqa: PTH111 - as above


def meaning_of(arguments: Mapping[str, JSON], line: str, directory: Path) -> Meaning:
    """What a call would do that runs `line` in `directory`, by its text (runtime.md §6.5)."""
    found = inside(line)
    label = find(line).label
    if label == "safe" and _shows_processes(directory, line):
        label = "unknown"
    return Meaning(
        label,
        tuple({**arguments, "cmd": part} for part in found.parts),
        tuple({**arguments, "cmd": part} for part in found.hidden),
        found.whole,
    )


def _shows_processes(directory: Path, command: str) -> bool:
    """Whether relative names may lead to what other processes hold."""
    if "proc" in directory.parts:
        return True
    return directory == Path("/") and re.search(r"[*?\[.]|-\w*r", command) is not None
