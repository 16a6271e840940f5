"""`docker-agent share`: put agents into registries, and get them as files."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import click

from docker_agent.cli.flags import Globals, configure_log, global_flags
from docker_agent.errors import ConfigError
from docker_agent.registry.elsewhere import Elsewhere, open_elsewhere
from docker_agent.registry.pull import Pulled
from docker_agent.registry.reference import parse_reference


@click.group()
def share() -> None:
    """Put agents into registries, and get them from there."""


@share.command()
@click.argument("agent_file", metavar="FILE")
@click.argument("reference")
@global_flags
@click.pass_obj
def push(options: Globals, agent_file: str, reference: str) -> None:
    """Put the agent of FILE into a registry, as REFERENCE.

    \b
    docker-agent share push agent.yaml myorg/my-agent:v1

    Texts that stand in files beside it go along. Sign in with 'docker login' first.
    """
    # Imported here, so that help and completion need not wait for readers of agent files.
    from docker_agent.loader.sharing import shared_artifact
    from docker_agent.loader.source import find_source

    configure_log(options)
    target = parse_reference(reference)
    if target.digest:
        raise ConfigError(f"{reference}: push to a tag; the digest comes from what is pushed")
    source = find_source(agent_file)
    if source.path is None:
        raise ConfigError(f"{agent_file} is no file here, and only files can be pushed")
    artifact = shared_artifact(source)

    async def put() -> None:
        async with _elsewhere(options) as elsewhere:
            await elsewhere.push(target, artifact)

    asyncio.run(put())
    click.echo(f"{target} is {target.pinned(artifact.digest)}")


@share.command()
@click.argument("reference")
@click.argument("agent_file", metavar="[FILE]", required=False)
@click.option("--force", is_flag=True, help="Overwrite a file that is there.")
@global_flags
@click.pass_obj
def pull(options: Globals, reference: str, agent_file: str | None, force: bool) -> None:
    """Save the agent of REFERENCE as FILE.

    FILE is the name in the registry when none is given, and - for stdout.
    """
    from docker_agent.config.decode import looks_like_hcl

    configure_log(options)
    source = parse_reference(reference)

    async def get() -> Pulled:
        async with _elsewhere(options) as elsewhere:
            return await elsewhere.pull(source)

    pulled = asyncio.run(get())
    if agent_file == "-":
        sys.stdout.buffer.write(pulled.file)
        return
    is_hcl = looks_like_hcl("", pulled.file.decode("utf-8", "replace"))
    name = f"{source.repository.rpartition('/')[2]}.{'hcl' if is_hcl else 'yaml'}"
    path = Path(agent_file or name)
    _save(path, pulled.file, force=force)
    click.echo(f"{path} is {source.pinned(pulled.digest)}")


def _save(path: Path, data: bytes, *, force: bool) -> None:
    try:
        with path.open("wb" if force else "xb") as file:
            file.write(data)
    except FileExistsError as exc:
        raise ConfigError(f"{path} is there already; name another file, or say --force") from exc
    except OSError as exc:
        raise ConfigError(f"{path} cannot be written: {exc.strerror or exc}") from exc


def _elsewhere(options: Globals) -> AbstractAsyncContextManager[Elsewhere]:
    return open_elsewhere(options.directories.data, os.environ, os.environ.get)
