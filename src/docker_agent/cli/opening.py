"""What the flags of `load_flags` come to."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from docker_agent.cli.flags import Globals
from docker_agent.cli.load_flags import LoadFlags
from docker_agent.config.aliases import references
from docker_agent.config.user_file import UserFile, read_user_file
from docker_agent.env.chain import Secrets, standard_chain
from docker_agent.env.directories import Directories, installation_id
from docker_agent.errors import ConfigError
from docker_agent.loader.overrides import Overrides
from docker_agent.loader.source import Source, find_source
from docker_agent.models.gateway import VARIABLES, Gateway, parse_gateway


class Opened(msgspec.Struct, frozen=True):
    """A source, and with what it is loaded."""

    source: Source
    overrides: Overrides
    secrets: Secrets


def opened(
    options: Globals,
    agent_file: str,
    flags: LoadFlags,
    *,
    at_home: bool = True,
    replay: bool = False,
    withheld: frozenset[str] = frozenset(),
) -> Opened:
    """What the flags come to. `at_home`: nobody but the operator's own machine can ask the agents.
    `replay` and `withheld` as in `Overrides`. Raises `ConfigError`."""
    working_dir = enter(flags.working_dir)
    directories = options.directories
    user = read_user_file(directories.config)
    source = find_source(agent_file, references(user.aliases))
    secrets = standard_chain(
        os.environ,
        flags.env_from_file,
        working_dir,
        directories,
        helper=user.credential_helper,
    )
    overrides = Overrides(
        working_dir=working_dir,
        cache_dir=directories.cache,
        data_dir=directories.data,
        agent=flags.agent,
        safety=flags.safety or ("autonomous" if at_home and source.local else "restricted"),
        safety_explicit=flags.safety is not None,
        withheld=withheld,
        replay=replay,
        at_home=at_home,
        gateway=_gateway(flags, user, secrets, directories),
        default_model=user.default_model,
        providers=user.providers,
        hooks=flags.hooks,
        code_mode=flags.code_mode,
    )
    return Opened(source, overrides, secrets)


def _gateway(
    flags: LoadFlags, user: UserFile, secrets: Secrets, directories: Directories
) -> Gateway | None:
    """The models gateway: the flag's, a variable's, the user's own file's. Source: agent-file.md
    §3.12."""
    sources = (flags.models_gateway, *map(secrets.get, VARIABLES), user.models_gateway)
    address = next((text.strip() for text in sources if text and text.strip()), "")
    if not address:
        return None
    parse_gateway(address)
    return parse_gateway(address, installation_id(directories.config))


def enter(working_dir: str | None) -> Path:
    """Make `--working-dir` the process's own, so that every relative path means the same.

    Raises `ConfigError` when that fails.
    """
    if working_dir is not None:
        try:
            os.chdir(working_dir)
        except OSError as exc:
            raise ConfigError(f"--working-dir {working_dir}: {exc.strerror or exc}") from exc
        os.environ["PWD"] = str(Path.cwd())
    return Path.cwd()
