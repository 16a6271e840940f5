"""Adds files such as AGENTS.md to the prompt, read anew before each model call."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

import anyio.to_thread

from docker_agent.errors import ConfigError
from docker_agent.hooks.port import NO_VERDICT, Hook, HookInput, Verdict

log = logging.getLogger(__name__)

MAX_FILE = 1024 * 1024
"""Bytes of one file that are added."""


def add_prompt_files(names: Sequence[str], working_dir: Path, *, home: Path | None = None) -> Hook:
    """A `turn_start` hook: for each name the nearest file from the working directory upward, then
    the one in `home` (the user's when None), joined by blank lines. Missing files are skipped.

    Raises `ConfigError` for a name that is blank, absolute or holds `..`.
    Source: agent-file.md §2.3, `add_prompt_files`.
    """
    wanted = tuple(dict.fromkeys(names))
    for name in wanted:
        path = PurePath(name)
        if not name.strip() or "\0" in name or path.is_absolute() or ".." in path.parts:
            raise ConfigError(f"add_prompt_files: '{name}' must be a file name such as AGENTS.md")

    async def tell_files(given: HookInput) -> Verdict:
        text = await anyio.to_thread.run_sync(
            _contents, wanted, working_dir, home, abandon_on_cancel=True
        )
        return Verdict(text) if text else NO_VERDICT

    return tell_files


def _contents(names: Sequence[str], directory: Path, home: Path | None) -> str:
    found: dict[str, str] = {}
    for name in names:
        for path in _candidates(name, directory, home):
            real = os.path.realpath(path)
            if real not in found:
                text = _read(path)
                if text is not None:
                    found[real] = text
    return "\n\n".join(text for text in found.values() if text)


def _candidates(name: str, directory: Path, home: Path | None) -> Iterator[Path]:
    for place in (directory, *directory.parents):
        if (place / name).is_file():
            yield place / name
            break
    try:
        yield (home or Path.home()) / name
    except RuntimeError:  # an account without a home directory
        return


def _read(path: Path) -> str | None:
    """The text of a regular file, without white space around it; None for anything else."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                return None
            data = file.read(MAX_FILE + 1)
    except OSError:
        return None
    if len(data) > MAX_FILE:
        log.warning("add_prompt_files: only the first %d bytes of %s are used", MAX_FILE, path)
    return data[:MAX_FILE].decode("utf-8-sig", "replace").strip()
