"""`docker-agent alias`: names of your own for references."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from docker_agent.cli.flags import Globals, configure_log, global_flags
from docker_agent.errors import ConfigError

if TYPE_CHECKING:
    from docker_agent.config.aliases import Alias


@click.group()
def alias() -> None:
    """Give references short names of your own."""


@alias.command()
@click.argument("name")
@click.argument("reference")
@click.option("--yolo", is_flag=True, help="Run every tool unasked, in interactive runs.")
@click.option("--model", default="", metavar="MODEL", help="Another model, in interactive runs.")
@click.option("--hide-tool-results", is_flag=True, help="Show less, in interactive runs.")
@click.option("--sandbox", is_flag=True, help="Run in a sandbox, in interactive runs.")
@global_flags
@click.pass_obj
def add(options: Globals, name: str, reference: str, **more: object) -> None:
    """Call REFERENCE by NAME from now on: a file, an address, an agent in a registry.

    \b
    docker-agent alias add pirate agentcatalog/pirate
    docker-agent serve chat pirate

    A server heeds the reference alone; the options are kept for programs that run agents
    interactively.
    """
    from docker_agent.config.aliases import NAME, Alias
    from docker_agent.loader.source import find_source

    if not NAME.fullmatch(name):
        raise ConfigError(f"{name!r} is no name for an alias: letters, digits, '_' and '-'")
    source = find_source(reference)
    path = str(source.path) if source.path is not None else reference
    _change(options, {name: msgspec.convert({"path": path, **more}, Alias)})
    click.echo(f"{name} is {path}")


@alias.command("ls")
@global_flags
@click.pass_obj
def list_aliases(options: Globals) -> None:
    """List the names and what they stand for."""
    known = _known(options)
    width = max(map(len, known), default=0)
    for name, one in sorted(known.items()):
        said = msgspec.to_builtins(one)
        del said["path"]
        more = ", ".join(key if value is True else f"{key}={value}" for key, value in said.items())
        click.echo(f"{name:<{width}}  {one.path}" + (f"  ({more})" if more else ""))


@alias.command("rm")
@click.argument("name")
@global_flags
@click.pass_obj
def remove(options: Globals, name: str) -> None:
    """Forget a NAME."""
    known = _known(options)
    if name not in known:
        listed = f"there are: {', '.join(sorted(known))}" if known else "there are none"
        raise ConfigError(f"no alias is called {name!r}; {listed}")
    _change(options, {name: None})
    click.echo(f"{name} is forgotten")


def _change(options: Globals, changes: Mapping[str, Alias | None]) -> None:
    """Write changes, and what an old file of aliases says, which has then done its work."""
    from docker_agent.config.alias_writing import write_aliases
    from docker_agent.config.user_file import NAME, OLD_ALIASES

    folder = options.directories.config
    old = folder / OLD_ALIASES
    kept: dict[str, Alias | None] = dict(_known(options)) if old.exists() else {}
    write_aliases(folder / NAME, {**kept, **changes})
    if old.exists():
        _set_aside(old)


def _set_aside(old: Path) -> None:
    try:
        old.rename(old.with_name(f"{old.name}.old"))
    except OSError as exc:
        raise ConfigError(f"{old} cannot be renamed: {exc.strerror or exc}") from exc


def _known(options: Globals) -> Mapping[str, Alias]:
    from docker_agent.config.user_file import read_user_file

    configure_log(options)
    return read_user_file(options.directories.config).aliases
