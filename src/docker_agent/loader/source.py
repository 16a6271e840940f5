"""What a reference to an agent file means: where its bytes are, and whether the operator has them
on disk.

Source: agent-file.md §5.1.
"""

from __future__ import annotations

import stat
import sys
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import msgspec

from docker_agent.errors import ConfigError
from docker_agent.registry.reference import Reference, parse_reference
from docker_agent.registry.web_file import check_address

MAX_FILE = 10 * 1024 * 1024
"""Bytes of an agent file."""

STDIN = "-"
DEFAULT = "default"
BUILT_IN = (DEFAULT, "coder")
"""Agents that come with the program."""

_EXTENSIONS = (".yaml", ".yml", ".hcl")
_DESCRIPTORS = "/dev/fd/"
_NO_FILE = "; there is no file of this name here either"
_WEB = ("http://", "https://")


class Source(msgspec.Struct, frozen=True):
    """An agent file and where it lies.

    `name` is what messages call it, `path` where it is on the operator's disk, `directory` what its
    relative paths mean, `local` whether the operator has it on disk or it is ours. One of `path`,
    `image`, `url` and `content` says where its bytes are; none: on stdin. `named_elsewhere` when it
    was named by an agent file that is not local. `tried` is what an error adds about other places
    that were looked at.
    """

    name: str
    path: Path | None = None
    directory: Path | None = None
    local: bool = True
    image: Reference | None = None
    url: str = ""
    content: bytes | None = None
    named_elsewhere: bool = False
    tried: str = ""

    @property
    def flows(self) -> bool:
        """Whether its bytes can be read only once: stdin, or a pipe."""
        if self.path is None:
            return self.content is None and self.image is None and not self.url
        try:
            return not stat.S_ISREG(self.path.stat().st_mode)
        except OSError:
            return False

    def read(self) -> bytes:
        """The bytes of a file on this machine. Raises `ConfigError` naming the file and the
        reason."""
        if self.content is not None:
            return self.content
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


def find_source(reference: str, aliases: Mapping[str, str] = {}) -> Source:
    """The source a reference means; `aliases` are names that the user gave to others.

    Raises `ConfigError` for what cannot be served.
    """
    reference = aliases.get(reference, reference) or DEFAULT
    if reference in BUILT_IN:
        return built_in(reference)
    if reference == STDIN:
        return Source(STDIN)
    if reference.startswith(_WEB):
        check_address(reference)
        return Source(reference, local=False, url=reference)
    path = Path(reference)
    if "\0" in reference:
        raise ConfigError(f"{reference!r}: a path must not hold a NUL character")
    if path.is_dir():
        raise ConfigError(f"{reference} is a directory; name an agent file in it")
    named = path.suffix.lower() in _EXTENSIONS or reference.startswith(_DESCRIPTORS)
    if named or path.exists():
        absolute = path.absolute()
        return Source(reference, absolute, absolute.parent)
    try:
        image = parse_reference(reference)
    except ConfigError as exc:
        raise ConfigError(f"{reference} is not a file here, and {exc}") from exc
    return Source(reference, local=False, image=image, tried=_NO_FILE)


def external_source(reference: str, *, named_elsewhere: bool) -> Source:
    """The source of an agent that another agent file names. Raises `ConfigError`."""
    if reference.startswith(_WEB):
        check_address(reference, from_elsewhere=named_elsewhere)
        return Source(reference, local=False, url=reference, named_elsewhere=named_elsewhere)
    image = parse_reference(reference)
    return Source(reference, local=False, image=image, named_elsewhere=named_elsewhere)


def built_in(name: str) -> Source:
    """An agent file that comes with the program."""
    file = resources.files("docker_agent.loader") / "builtin" / f"{name}.yaml"
    return Source(name, content=file.read_bytes())
