"""Opens an `lsp` entry of an agent file."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from docker_agent.config.convert import convert
from docker_agent.config.expand import expand_shell
from docker_agent.config.tree import Raw
from docker_agent.errors import ConfigError
from docker_agent.tools.filesystem.options import FilesystemOptions
from docker_agent.tools.filesystem.places import Boundary
from docker_agent.tools.life import Ended, policy_of
from docker_agent.tools.lsp.files import Files
from docker_agent.tools.lsp.languages import FileTypes
from docker_agent.tools.lsp.limits import CALL_TIMEOUT
from docker_agent.tools.lsp.options import LspOptions
from docker_agent.tools.lsp.session import Session, Setting, open_session
from docker_agent.tools.lsp.toolset import Connect, Lsp, Served
from docker_agent.tools.opening import Opening
from docker_agent.tools.port import Toolset
from docker_agent.tools.program import UNTRUSTED, failing, program_label, program_of

log = logging.getLogger(__name__)


@asynccontextmanager
async def open_lsp(options: Raw, opening: Opening) -> AsyncGenerator[Toolset]:
    """The toolset of one language server, which begins to start at once.

    Raises `ConfigError` for what can be known to be wrong without it.
    """
    wanted = convert(options, LspOptions)
    if not wanted.command:
        raise options.error("a language server needs a command")
    toolset = _toolset(options, wanted, opening)
    opening.background.keep(toolset.life, options.error)
    try:
        yield toolset
    finally:
        await toolset.life.close()


def _toolset(options: Raw, wanted: LspOptions, opening: Opening) -> Lsp:
    types = FileTypes(wanted.file_types)
    problem, program = "", None
    try:
        program = program_of(options, wanted, opening)
    except ConfigError as exc:
        problem = str(exc)
    if not opening.trusted:
        problem = UNTRUSTED
    root = Path(os.path.realpath(program.directory if program else opening.working_dir))
    boundary = _boundary(opening, root)
    if boundary.opened:
        log.warning("lsp: files of %s can be reached", ", ".join(boundary.opened))
    connect: Connect = failing(problem)
    if program is not None and not problem:
        connect = _connecting(Setting(program, root, types, Files(boundary)))
    return Lsp(
        Served(
            label=opening.name or program_label(wanted),
            connect=connect,
            policy=policy_of(wanted.lifecycle, remote=False),
            root=root,
            types=types,
            boundary=boundary,
            locks=opening.locks,
            call_timeout=wanted.lifecycle.call_timeout or CALL_TIMEOUT,
        )
    )


def _connecting(setting: Setting) -> Connect:
    def connect(ended: Ended) -> AbstractAsyncContextManager[Session]:
        return open_session(setting, ended)

    return connect


def _boundary(opening: Opening, root: Path) -> Boundary:
    """What can be reached: the same as by the agent's filesystem tools; without any, the working
    directory, and the server's own folder that the file names."""
    entries = [convert(raw, FilesystemOptions) for raw in opening.folders]
    allow = [tree for entry in entries for tree in entry.allow_list or (".",)]
    if not entries:
        allow = [".", *([str(root)] if root.is_dir() else [])]
    if not opening.trusted:
        allow = ["."]
    deny = [tree for entry in entries for tree in entry.deny_list]
    return Boundary(
        allow, deny, opening.working_dir, lambda text: expand_shell(text, opening.secrets.get)
    )
