"""For programs that serve agents inside an application of their own: from an agent file to live
teams, without a command line."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from docker_agent.env.chain import standard_chain
from docker_agent.env.directories import Directories
from docker_agent.loader.build import open_team
from docker_agent.loader.generations import Generations, open_generations
from docker_agent.loader.overrides import Overrides
from docker_agent.loader.source import find_source
from docker_agent.models.http import open_http
from docker_agent.permissions import SafetyMode
from docker_agent.runtime.agent import Team


@asynccontextmanager
async def open_agents(
    agent_file: str | Path,
    *,
    working_dir: Path | None = None,
    safety: SafetyMode = "autonomous",
    environ: Mapping[str, str] = os.environ,
) -> AsyncGenerator[Generations]:
    """The agents of a file, live until the context is left; `reload()` reads the file again.

    `working_dir` is where tools work (default: the process's own). Give `safety` to
    `ServerSettings` too: it is that mode which decides about calls. Raises `ConfigError` when the
    file cannot be used.
    """
    directory = (working_dir or Path.cwd()).absolute()
    directories = Directories.chosen(environ)
    secrets = standard_chain(environ, (), directory, directories)
    source = find_source(str(agent_file))
    overrides = Overrides(directory, directories.cache, directories.data, safety=safety)
    async with open_http() as http:

        def open_now() -> AbstractAsyncContextManager[Team]:
            return open_team(source, overrides, secrets, http)

        async with open_generations(open_now) as teams:
            yield teams
