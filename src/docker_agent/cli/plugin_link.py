"""`docker-agent plugin install|uninstall`: a link that makes `docker agent` this program."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from docker_agent.cli.flags import global_flags
from docker_agent.errors import ConfigError

FILE_NAME = "docker-agent"
"""What docker looks for: `docker-` and the plugin's name."""


@click.group()
def plugin() -> None:
    """Make `docker agent …` this program, or undo that."""


@plugin.command()
@click.option("--force", is_flag=True, help="Replace a plugin that is something else.")
@global_flags
def install(force: bool) -> None:
    """Link this program where docker looks for its plugins.

    \b
    docker-agent plugin install
    docker agent serve chat agent.yaml

    The link lies in cli-plugins under $DOCKER_CONFIG, or under ~/.docker.
    """
    program, link = this_program(), plugin_path(os.environ)
    if link.is_symlink() or link.exists():
        if is_link_to(link, program):
            click.echo(f"docker agent is this program already: {link}")
            return
        if not force and not is_ours(link):
            raise ConfigError(
                f"{link} is another plugin; `docker-agent plugin install --force` replaces it"
            )
    try:
        link.parent.mkdir(parents=True, exist_ok=True)
        fresh = link.with_name(f".{FILE_NAME}.{os.getpid()}")
        fresh.symlink_to(program)
        fresh.replace(link)
    except OSError as exc:
        raise ConfigError(f"{link}: {exc.strerror or exc}") from exc
    click.echo(f"docker agent is now this program: {link} -> {program}")


@plugin.command()
@global_flags
def uninstall() -> None:
    """Take the link away again; a plugin that is something else stays."""
    link = plugin_path(os.environ)
    if not link.is_symlink() and not link.exists():
        click.echo(f"there is no plugin at {link}")
        return
    if not is_ours(link):
        raise ConfigError(f"{link} is another plugin; remove it yourself if you mean it")
    try:
        link.unlink()
    except OSError as exc:
        raise ConfigError(f"{link}: {exc.strerror or exc}") from exc
    click.echo(f"docker agent is no longer this program: {link} is gone")


def plugin_path(environ: Mapping[str, str]) -> Path:
    """Where docker looks for the plugin of this user."""
    config = environ.get("DOCKER_CONFIG")
    return (Path(config) if config else Path.home() / ".docker") / "cli-plugins" / FILE_NAME


def this_program() -> Path:
    """The executable beside this Python, or the one that runs now. Raises `ConfigError`."""
    for candidate in (Path(sys.executable).with_name(FILE_NAME), Path(sys.argv[0])):
        if os.access(candidate, os.X_OK) and candidate.name == FILE_NAME:
            # docker itself starts the program through the link.
            is_link = candidate.absolute() == plugin_path(os.environ).absolute()
            return candidate.resolve() if is_link else candidate.absolute()
    raise ConfigError(
        f"there is no {FILE_NAME} executable beside {sys.executable}; install the package first"
    )


def is_link_to(link: Path, program: Path) -> bool:
    """Whether `link` already leads to `program`."""
    return link.is_symlink() and link.resolve() == program.resolve()


def is_ours(link: Path) -> bool:
    """Whether `link` is one that `install` made, of this or another environment: it leads to a
    `docker-agent` that a Python environment has, there or gone."""
    if not link.is_symlink():
        return False
    target = link.parent / link.readlink()
    return target.name == FILE_NAME and (not target.exists() or _is_python_script(target))


def _is_python_script(file: Path) -> bool:
    with file.open("rb") as text:
        return b"python" in text.readline(256)
