"""The filesystem toolset: its nine tools as a table, and the object that runs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from docker_agent.errors import ToolError
from docker_agent.messages import JSON, ToolList, ToolResult, ToolSpec
from docker_agent.tools.arguments import Parameters
from docker_agent.tools.filesystem import edit, listing, read, search
from docker_agent.tools.filesystem.options import FilesystemOptions
from docker_agent.tools.filesystem.places import Boundary
from docker_agent.tools.filesystem.post_edit import COMMAND_SECONDS, PostEdits
from docker_agent.tools.filesystem.work import Disk, PathLocks, Stop, in_thread
from docker_agent.tools.port import READY, Around, CallContext, Scope, Status

Wanted = TypeVar("Wanted", bound=msgspec.Struct)
Work = Callable[[Disk, Stop], ToolResult]


class Job(msgspec.Struct, frozen=True):
    """What a call comes to: the work, and the file it will change, if it changes one."""

    work: Work
    file: str | None = None


class Tool(msgspec.Struct, frozen=True):
    """One row: how a model sees the tool, and what its arguments ask for.

    `prepare` reads the arguments; it raises `ToolError`.
    """

    spec: ToolSpec
    prepare: Callable[[Mapping[str, JSON]], Job]


def _tool(
    run: Callable[[Disk, Wanted, Stop], ToolResult],
    shape: type[Wanted],
    title: str,
    description: str,
    *,
    read_only: bool = False,
    destructive: bool = False,
    changes: Callable[[Wanted], str] | None = None,
) -> Tool:
    parameters = Parameters(shape)

    def prepare(arguments: Mapping[str, JSON]) -> Job:
        wanted = parameters.read(arguments)
        file = changes(wanted) if changes else None
        return Job(lambda disk, stop: run(disk, wanted, stop), file)

    spec = ToolSpec(
        run.__name__,
        description,
        parameters.schema,
        read_only=read_only,
        destructive=destructive,
        title=title,
        category="filesystem",
        takes_description=True,
        tidy=parameters.tidy,
    )
    return Tool(spec, prepare)


TOOLS: tuple[Tool, ...] = (
    _tool(
        read.read_file,
        read.ReadFile,
        "Read file",
        "Read a text file, or look at a picture (jpg, png, gif, webp). One call gives at most "
        "2 MiB; read more of a large file with offset and limit.",
        read_only=True,
    ),
    _tool(
        read.read_multiple_files,
        read.ReadFiles,
        "Read files",
        "Read several files in one call.",
        read_only=True,
    ),
    _tool(
        edit.write_file,
        edit.WriteFile,
        "Write file",
        "Write a file, replacing what is there; missing directories are made.",
        changes=lambda wanted: wanted.path,
    ),
    _tool(
        edit.edit_file,
        edit.EditFile,
        "Edit file",
        "Replace exact pieces of a file's text. When one is not found nothing is changed.",
        changes=lambda wanted: wanted.path,
    ),
    _tool(
        listing.list_directory,
        listing.Directory,
        "List directory",
        "List the files and directories in a directory.",
        read_only=True,
    ),
    _tool(
        listing.directory_tree,
        listing.Directory,
        "Directory tree",
        "Show a directory and what is below it as a JSON tree.",
        read_only=True,
    ),
    _tool(
        search.search_files_content,
        search.Search,
        "Search files",
        "Find text or a regular expression in the files of a directory. Answers with lines "
        "`path:line:column: preview`.",
        read_only=True,
    ),
    _tool(
        edit.create_directory,
        edit.Directories,
        "Create directory",
        "Make directories, with those above them.",
    ),
    _tool(
        edit.remove_directory,
        edit.Directories,
        "Remove directory",
        "Remove empty directories.",
        destructive=True,
    ),
)


class Filesystem:
    """Files below the allowed directories, for all runs at once.

    `expand` gives an entry of a list its value (`~`, `$VAR`) and raises `ConfigError` when a
    variable is not set. `environ` is the whole environment of post_edit commands, `locks` are held
    while a file is written. Raises `ConfigError` for options that cannot be honoured.
    Source: runtime.md §9.1, chat-server.md §6.
    """

    name = "filesystem"
    scope: Scope = "team"

    def __init__(
        self,
        options: FilesystemOptions,
        working_dir: Path,
        expand: Callable[[str], str],
        *,
        environ: Mapping[str, str],
        locks: PathLocks | None = None,
        search_seconds: float = search.SEARCH_SECONDS,
        command_seconds: float = COMMAND_SECONDS,
    ) -> None:
        boundary = Boundary(options.allow_list, options.deny_list, working_dir, expand)
        self._disk = Disk(boundary, options.ignore_vcs, search_seconds)
        self._post_edits = PostEdits(
            options.post_edit, boundary.working_dir, environ, command_seconds
        )
        self._locks = locks or PathLocks()
        self._by_name = {tool.spec.name: tool for tool in TOOLS}
        self._tools = ToolList(
            [tool.spec for tool in TOOLS], instructions=_instructions(boundary, options)
        )

    @property
    def opened(self) -> tuple[str, ...]:
        """The directories it may reach that do not lie in the working directory."""
        return self._disk.boundary.opened

    @property
    def status(self) -> Status:
        return READY

    async def tools(self, around: Around) -> ToolList:
        return self._tools

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        tool = self._by_name.get(name)
        if tool is None:
            raise ToolError(f"filesystem has no tool '{name}'")
        job = tool.prepare(arguments)
        disk = self._disk.within(context.results, reads=tool.spec.read_only)
        try:
            if job.file is not None:
                return await self._write(disk, job.file, job.work)
            return await _do(disk, job.work, finish=not tool.spec.read_only)
        except ToolError as exc:
            return ToolResult(str(exc), is_error=True)

    async def _write(self, disk: Disk, path: str, work: Work) -> ToolResult:
        boundary = disk.boundary
        place = await in_thread(lambda _: boundary.locate(path), finish=False)
        async with self._locks.hold(place.real):
            result = await _do(disk, work, finish=True)
            problem = await self._post_edits.run(place.real)
        if problem is None:
            return result
        return ToolResult(f"{result.text}\nBut {problem}", is_error=True)


async def _do(disk: Disk, work: Work, *, finish: bool) -> ToolResult:
    return await in_thread(lambda stop: work(disk, stop), finish=finish)


def _instructions(boundary: Boundary, options: FilesystemOptions) -> str:
    lines = [
        "## Filesystem Tools",
        "",
        "- Relative paths start in the working directory.",
        "- Need several files? Read them in one call of `read_multiple_files`.",
        "- Look for text with `search_files_content` instead of reading file after file.",
    ]
    if options.allow_list:
        lines.append(f"- Only these directories can be reached: {', '.join(boundary.allowed)}")
    else:
        lines.append("- Only the working directory and what is below it can be reached.")
    if boundary.denied:
        lines.append(f"- These are closed, whatever lies above them: {', '.join(boundary.denied)}")
    return "\n".join(lines)
