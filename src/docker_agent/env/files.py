"""Files of variables: `NAME=value` lines, and which files the `--env-from-file` flag may name."""

from __future__ import annotations

import os.path
from collections.abc import Iterator, Sequence
from pathlib import Path

from docker_agent.errors import ConfigError

FLAG = "--env-from-file"


def parse_env(text: str, name: str) -> dict[str, str]:
    """The variables of a file's text; `name` is what messages call it.

    Blanks around names and values go, then one pair of double quotes around a value; nothing else
    is special. The first of several definitions counts. Raises `ConfigError` with file and line.
    Source: agent-file.md §6.2.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        key, equals, value = stripped.partition("=")
        key, value = key.strip(), value.strip()
        if not equals or not key:
            raise ConfigError(f"{name}:{number}: is no NAME=value line")
        if len(value) >= 2 and value[0] == value[-1] == '"':
            value = value[1:-1]
        found.setdefault(key, value)
    return found


def read_env_file(path: Path) -> dict[str, str]:
    """The variables of a file. Raises `ConfigError` when it cannot be read or is malformed."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read: {exc.strerror or exc}") from exc
    except (UnicodeDecodeError, ValueError) as exc:
        raise ConfigError(f"{path}: is no UTF-8 text") from exc
    return parse_env(text, str(path))


def flagged_files(
    flags: Sequence[str], working_dir: Path, home: Path | None
) -> Iterator[dict[str, str]]:
    """The variables of each file that `--env-from-file` names, in order; a flag may name several,
    with commas between.

    Raises `ConfigError` naming the flag. Source: agent-file.md §6.3.
    """
    for name in (part.strip() for flag in flags for part in flag.split(",")):
        if name:
            try:
                yield read_env_file(flagged_path(name, working_dir, home))
            except ConfigError as exc:
                raise ConfigError(f"{FLAG} {name}: {exc}") from exc


def flagged_path(name: str, working_dir: Path, home: Path | None) -> Path:
    """The path of one name: relative to `working_dir` and inside it, absolute without `..`, or
    below `home` after `~`.

    Raises `ConfigError` for any other.
    """
    if "\0" in name:
        raise ConfigError("a path must not hold a NUL character")
    if name.startswith("~"):
        if name != "~" and not name.startswith("~/"):
            raise ConfigError("the home directories of other users are not looked up")
        if home is None:
            raise ConfigError("there is no home directory to put for '~'")
        name = f"{home}{name[1:]}"
    path = Path(name)
    if path.is_absolute():
        if ".." in path.parts:
            raise ConfigError("an absolute path must not hold '..'")
        return path
    inside = Path(os.path.normpath(working_dir / path))
    if not inside.is_relative_to(os.path.normpath(working_dir)):
        raise ConfigError(f"leaves the working directory {working_dir}")
    return working_dir / path
