"""A working directory with something outside it, and the toolset that works there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from docker_agent.messages import JSON, ToolResult
from docker_agent.tools.filesystem.options import FilesystemOptions
from docker_agent.tools.filesystem.toolset import Filesystem
from tests.tools.surroundings import context

SECRET = "TOP SECRET"


class Desk:
    """`root` is the working directory; `outside/secret.txt` beside it holds `SECRET`."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "work"
        self.outside = directory / "outside"
        self.root.mkdir()
        self.outside.mkdir()
        (self.outside / "secret.txt").write_text(SECRET)

    def put(self, files: Mapping[str, str | bytes]) -> Desk:
        """Write files below the working directory."""
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return self

    def filesystem(
        self,
        options: FilesystemOptions = FilesystemOptions(),  # noqa: B008 - a frozen value
        *,
        search_seconds: float = 20.0,
        command_seconds: float = 30.0,
        environ: Mapping[str, str] | None = None,
    ) -> Filesystem:
        """The toolset, with `$OUTSIDE` known to its lists."""
        return Filesystem(
            options,
            self.root,
            lambda text: text.replace("$OUTSIDE", str(self.outside)),
            environ={"PATH": os.environ["PATH"]} if environ is None else environ,
            search_seconds=search_seconds,
            command_seconds=command_seconds,
        )

    async def call(self, tool: str, **arguments: JSON) -> ToolResult:
        """One call with the options' defaults."""
        return await call(self.filesystem(), tool, **arguments)


async def call(filesystem: Filesystem, tool: str, **arguments: JSON) -> ToolResult:
    """One call."""
    return await filesystem.call(tool, arguments, context())
