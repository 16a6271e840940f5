"""Where an agent file is read from. Source: agent-file.md §5.1."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from docker_agent.errors import ConfigError

MAX_FILE = 10 * 1024 * 1024
"""Bytes of an agent file."""

_EXTENSIONS = (".yaml", ".yml", ".hcl")


class Source(msgspec.Struct, frozen=True):
    """An agent file and where it lies.

    `name` is what messages call it, `path` where it is on the operator's disk (None: stdin),
    `directory` what its relative paths mean, `local` whether the operator has it on disk.
    """

    name: str
    path: Path | None
    directory: Path | None
    local: bool = True

    def read(self) -> bytes:
        """The file's bytes. Raises `ConfigError` naming the file and the reason."""
        try:
            if self.path is None:
                data = sys.stdin.buffer.read(MAX_FILE + 1)
            else:
                with self.path.open("rb") as file:
                    data = file.read(MAX_FILE + 1)
        except OSError as exc:
            raise ConfigError(
                f"reading config file {self.name}: {exc.strerror or exc}; "
                "give the path of an agent file"
            ) from exc
        if len(data) > MAX_FILE:
            raise ConfigError(f"config file {self.name} is larger than {MAX_FILE} bytes")
        return data


def find_source(reference: str) -> Source:
    """The source a reference means. Raises `ConfigError` for what cannot be served."""
    if reference == "-":
        return Source("-", None, None)
    path = Path(reference)
    if path.is_dir():
        raise ConfigError(f"{reference} is a directory; name an agent file in it")
    named = path.suffix.lower() in _EXTENSIONS or reference.startswith("/dev/fd/")
    if named or path.exists():
        absolute = path.absolute()
        return Source(reference, absolute, absolute.parent)
    if reference.startswith(("http://", "https://")):
        raise ConfigError(
            f"{reference}: agent files from URLs are not supported yet; save it first"
        )
    raise ConfigError(
        f"{reference} is not a file, and agents from registries are not supported yet; "
        "give the path of an agent file such as agent.yaml"
    )
