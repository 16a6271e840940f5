"""Toolsets by the `type` an agent file gives them: one row each."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import msgspec

from docker_agent.config.convert import convert, convert_as
from docker_agent.config.expand import expand_shell
from docker_agent.config.tree import Raw
from docker_agent.errors import ConfigError
from docker_agent.tools.a2a import A2aOptions, open_agent
from docker_agent.tools.api import Api, ApiOptions
from docker_agent.tools.background_agents import BackgroundAgentTools
from docker_agent.tools.background_jobs import BackgroundJobs, BackgroundJobsOptions
from docker_agent.tools.environment import scrubbed
from docker_agent.tools.fetch import Fetch, FetchOptions
from docker_agent.tools.filesystem.options import FilesystemOptions
from docker_agent.tools.filesystem.toolset import Filesystem
from docker_agent.tools.kept_file import digest
from docker_agent.tools.lsp.open import open_lsp
from docker_agent.tools.mcp.catalog_toolset import McpCatalogOptions, open_catalog
from docker_agent.tools.mcp.open import open_mcp
from docker_agent.tools.memory import MemoryOptions, MemoryTools, memory_path
from docker_agent.tools.model_picker import ModelPicker, ModelPickerOptions
from docker_agent.tools.open_url import OpenUrl, OpenUrlOptions
from docker_agent.tools.openapi import OpenApiOptions, open_api_document
from docker_agent.tools.opening import NoOptions, Opening
from docker_agent.tools.plan import Plans
from docker_agent.tools.port import Toolset
from docker_agent.tools.program import environ_of
from docker_agent.tools.python import PythonOptions, PythonTools, functions_of
from docker_agent.tools.rag.open import open_rag
from docker_agent.tools.script import Script
from docker_agent.tools.script_options import ScriptOptions
from docker_agent.tools.session_context import SessionContext
from docker_agent.tools.session_plan import SessionPlan
from docker_agent.tools.shell import Shell, ShellOptions
from docker_agent.tools.tasks import Tasks, TasksOptions
from docker_agent.tools.think import Think
from docker_agent.tools.todo import Todo, TodoOptions
from docker_agent.tools.user_prompt import UserPrompt
from docker_agent.tools.web import open_web
from docker_agent.tools.web_headers import Templates

log = logging.getLogger(__name__)


Open = Callable[[Raw, Opening], AbstractAsyncContextManager[Toolset]]


@asynccontextmanager
async def open_think(options: Raw, opening: Opening) -> AsyncGenerator[Toolset]:
    """The `think` toolset; it has no options."""
    yield Think()


@asynccontextmanager
async def open_filesystem(options: Raw, opening: Opening) -> AsyncGenerator[Toolset]:
    """The `filesystem` toolset."""
    wanted = convert(options, FilesystemOptions)
    if not opening.trusted:
        wanted = msgspec.structs.replace(wanted, allow_list=())
    toolset = Filesystem(
        wanted,
        opening.working_dir,
        lambda text: expand_shell(text, opening.secrets.get),
        environ=scrubbed(os.environ, opening.withheld),
        locks=opening.locks,
    )
    if toolset.opened:
        log.warning("filesystem: allow_list opens %s", ", ".join(toolset.opened))
    yield toolset


@asynccontextmanager
async def open_shell(options: Raw, opening: Opening) -> AsyncGenerator[Toolset]:
    """The `shell` toolset."""
    wanted = convert(options, ShellOptions)
    yield Shell(opening.working_dir, environ_of(options, opening), safer=wanted.safer)


@asynccontextmanager
async def open_background_jobs(options: Raw, opening: Opening) -> AsyncGenerator[Toolset]:
    """The `background_jobs` toolset. Its jobs end with the team, all at once."""
    convert(options, BackgroundJobsOptions)
    toolset = BackgroundJobs(opening.working_dir, environ_of(options, opening), opening.jobs)
    opening.background.own(toolset)
    try:
        yield toolset
    finally:
        await toolset.close()


@asynccontextmanager
async def open_script(options: Raw, opening: Opening) -> AsyncGenerator[Toolset]:
    """The `script` toolset."""
    wanted = convert(options, ScriptOptions)
    environ = environ_of(options, opening)
    yield Script(wanted, opening.working_dir, environ, opening.secrets.get)


@asynccontextmanager
async def open_todo(options: Raw, opening: Opening) -> AsyncGenerator[Toolset]:
    """The `todo` toolset."""
    yield Todo(shared=convert(options, TodoOptions).shared)


@asynccontextmanager
async def open_background_agents(options: Raw, opening: Opening) -> AsyncGenerator[Toolset]:
    """The `background_agents` toolset; it has no options."""
    convert(options, NoOptions)
    if not opening.sub_agents:
        log.warning("background_agents: the agent has no sub_agents, so no task can be started")
    yield BackgroundAgentTools(opening.sub_agents)


@asynccontextmanager
async def open_model_picker(options: Raw, opening: Opening) -> AsyncGenerator[Toolset]:
    """The `model_picker` toolset; the loader opens its models."""
    yield ModelPicker(convert(options, ModelPickerOptions))


@asynccontextmanager
async def open_open_url(options: Raw, opening: Opening) -> AsyncGenerator[Toolset]:
    """The `open_url` toolset, which has no tools."""
    wanted = convert(options, OpenUrlOptions)
    log.warning("open_url has no tool here: a server has no browser to show %s in", wanted.url)
    yield OpenUrl()


@asynccontextmanager
async def open_user_prompt(options: Raw, opening: Opening) -> AsyncGenerator[Toolset]:
    """The `user_prompt` toolset; it has no options."""
    yield UserPrompt()


@asynccontextmanager
async def open_session_context(options: Raw, opening: Opening) -> AsyncGenerator[Toolset]:
    """The `session_context` toolset; it has no options, and no tools."""
    log.warning("session_context has no tools here: a server shows nobody's sessions")
    yield SessionContext()


@asynccontextmanager
async def open_fetch(options: Raw, opening: Opening) -> AsyncGenerator[Toolset]:
    """The `fetch` toolset. Its headers go to addresses that a model chooses, so those of the
    incoming request are not for them."""
    wanted = convert(options, FetchOptions)
    headers = Templates(wanted.headers, opening.secrets.get, passes=False).expanded({})
    async with open_web(allow_private_ips=_private(options, opening)) as web:
        yield Fetch(wanted, web, headers)


@asynccontextmanager
async def open_api(options: Raw, opening: Opening) -> AsyncGenerator[Toolset]:
    """The `api` toolset."""
    wanted = convert(options, ApiOptions)
    async with open_web(allow_private_ips=_private(options, opening)) as web:
        yield Api(wanted, web, opening.secrets.get)


@asynccontextmanager
async def open_openapi(options: Raw, opening: Opening) -> AsyncGenerator[Toolset]:
    """The `openapi` toolset."""
    wanted = convert(options, OpenApiOptions)
    async with (
        open_web(allow_private_ips=_private(options, opening)) as web,
        open_api_document(wanted, web, opening.secrets.get) as toolset,
    ):
        yield toolset


@asynccontextmanager
async def open_mcp_catalog(options: Raw, opening: Opening) -> AsyncGenerator[Toolset]:
    """The `mcp_catalog` toolset. Its servers are left with the team, all at once."""
    wanted = convert(options, McpCatalogOptions)
    toolset = open_catalog(wanted, opening, private=_private(options, opening))
    opening.background.own(toolset)
    try:
        yield toolset
    finally:
        await toolset.close()


@asynccontextmanager
async def open_a2a(options: Raw, opening: Opening) -> AsyncGenerator[Toolset]:
    """The `a2a` toolset."""
    wanted = convert(options, A2aOptions)
    async with (
        open_web(allow_private_ips=_private(options, opening)) as web,
        open_agent(wanted, web, opening.secrets.get, opening.name) as toolset,
    ):
        yield toolset


def _private(options: Raw, opening: Opening) -> bool:
    """Whether private addresses may be reached: what a file from elsewhere says does not count."""
    wished = options.get("allow_private_ips")
    if wished is None or not convert_as(wished, bool):
        return False
    if not opening.trusted:
        log.warning("%s", wished.error("does not count for a file that is not on this machine"))
    return opening.trusted


@asynccontextmanager
async def open_memory(options: Raw, opening: Opening) -> AsyncGenerator[Toolset]:
    """The `memory` toolset."""
    from docker_agent.tools.memory_store import open_memory_store

    async with open_memory_store(_memory_file(options, opening)) as store:
        yield MemoryTools(store)


def _memory_file(options: Raw, opening: Opening) -> Path:
    """The database of a file's memories: its own one among our data, or the one it names beside
    itself."""
    path = expand_shell(convert(options, MemoryOptions).path, opening.secrets.get, "empty")
    own = opening.own_data("memory")
    if not path and own is not None:
        return own / "memory.db"
    if not path:
        raise options.error("there is no data directory; give the memory a 'path'")
    return _beside(options, opening, path, own)


def _beside(options: Raw, opening: Opening, path: str, own: Path | None) -> Path:
    """The file that an expanded `path` means: beside the agent file, or among our data; for a file
    from elsewhere below `own` alone. Raises `ConfigError` with its line."""
    base = opening.config_dir or (opening.working_dir if opening.trusted else own)
    if base is None:
        raise options.error("there is no data directory to keep anything in")
    try:
        also = opening.data_dir if opening.trusted else None
        return memory_path(str(Path(path).expanduser()), base, also)
    except (ConfigError, RuntimeError) as exc:
        raise options.key_error("path", str(exc)) from exc


@asynccontextmanager
async def open_tasks(options: Raw, opening: Opening) -> AsyncGenerator[Toolset]:
    """The `tasks` toolset. Files of callers with a key lie among our data, where no tool that
    reads files gets."""
    wished = expand_shell(convert(options, TasksOptions).path, opening.secrets.get, "empty")
    path = _beside(options, opening, wished or "tasks.json", opening.own_data("tasks"))
    data = opening.data_dir or path.parent
    yield Tasks(path, data / "tasks" / "callers" / digest(str(path)))


@asynccontextmanager
async def open_plan(options: Raw, opening: Opening) -> AsyncGenerator[Toolset]:
    """The `plan` toolset; it has no options. A file from elsewhere has plans of its own."""
    convert(options, NoOptions)
    own = opening.data_dir if opening.trusted else opening.own_data("plan")
    if own is None:
        raise options.error("there is no data directory to keep plans in")
    yield Plans(own / "plans", own / "plans-of-callers", opening.working_dir)


@asynccontextmanager
async def open_session_plan(options: Raw, opening: Opening) -> AsyncGenerator[Toolset]:
    """The `session_plan` toolset; it has no options."""
    convert(options, NoOptions)
    yield SessionPlan()


@asynccontextmanager
async def open_python(options: Raw, opening: Opening) -> AsyncGenerator[Toolset]:
    """The `python` toolset. Its functions run in the server itself, so a file from elsewhere names
    none."""
    if not opening.trusted:
        raise options.error(
            "python tools run inside the server; a file that is not on this machine may name them "
            "only with an explicit --safety"
        )
    wanted = convert(options, PythonOptions)
    directory = opening.config_dir or opening.working_dir
    try:
        functions = await asyncio.to_thread(functions_of, wanted.ref, directory)
        toolset = PythonTools(functions, name=f"python {wanted.ref}", timeout=wanted.timeout)
    except ConfigError as exc:
        raise options.key_error("ref", str(exc)) from exc
    yield toolset


TOOLSETS: Mapping[str, Open] = {
    "think": open_think,
    "filesystem": open_filesystem,
    "shell": open_shell,
    "background_jobs": open_background_jobs,
    "script": open_script,
    "todo": open_todo,
    "background_agents": open_background_agents,
    "model_picker": open_model_picker,
    "open_url": open_open_url,
    "user_prompt": open_user_prompt,
    "session_context": open_session_context,
    "fetch": open_fetch,
    "api": open_api,
    "openapi": open_openapi,
    "a2a": open_a2a,
    "memory": open_memory,
    "tasks": open_tasks,
    "plan": open_plan,
    "session_plan": open_session_plan,
    "python": open_python,
    "mcp": open_mcp,
    "mcp_catalog": open_mcp_catalog,
    "lsp": open_lsp,
    "rag": open_rag,
}
