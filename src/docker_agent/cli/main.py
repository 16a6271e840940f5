"""The command tree, and the one place where errors become a line and an exit status."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click
from click.shell_completion import get_completion_class

from docker_agent import __version__
from docker_agent.cli.alias import alias
from docker_agent.cli.chat import chat as chat_here
from docker_agent.cli.check import check
from docker_agent.cli.flags import Globals, global_flags
from docker_agent.cli.hints import HelpfulGroup, with_known_flag
from docker_agent.cli.init import init
from docker_agent.cli.mcp import mcp
from docker_agent.cli.models import models
from docker_agent.cli.plugin_link import plugin
from docker_agent.cli.record import record
from docker_agent.cli.schema import schema
from docker_agent.cli.serve_chat import chat
from docker_agent.cli.share import share
from docker_agent.errors import ConfigError

_HELP = {"help_option_names": ["-h", "--help"]}


@click.group(cls=HelpfulGroup, context_settings=_HELP)
@global_flags
@click.pass_context
def root(context: click.Context) -> None:
    """Serve agents written as YAML files to everything that speaks OpenAI's API.

    \b
    docker-agent init                      write a first agent file
    docker-agent check agent.yaml          say whether a file is right, and show its team
    docker-agent chat agent.yaml           talk to an agent here
    docker-agent serve chat agent.yaml     answer chats at http://127.0.0.1:8083/v1
    docker-agent models pull smollm2       fetch the embedded model, which needs no key
    """
    context.ensure_object(Globals)


@root.group(cls=HelpfulGroup)
def serve() -> None:
    """Serve agents over HTTP."""


@root.command()
def version() -> None:
    """Say which version this is."""
    click.echo(f"docker-agent version {__version__}")


@root.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a script that completes this command in your shell.

    \b
    bash:  eval "$(docker-agent completion bash)"
    zsh:   eval "$(docker-agent completion zsh)"
    fish:  docker-agent completion fish | source
    """
    made = get_completion_class(shell)
    if made is None:
        raise ConfigError(f"there is no completion for {shell}")
    click.echo(made(root, {}, "docker-agent", "_DOCKER_AGENT_COMPLETE").source())


serve.add_command(chat)
root.add_command(init)
root.add_command(check)
root.add_command(schema)
root.add_command(chat_here)
root.add_command(models)
root.add_command(plugin)
root.add_command(mcp)
root.add_command(record)
root.add_command(share)
root.add_command(alias)


def run_command_line(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit status: 0, 2 for a flag's syntax or value, 1 for the
    rest. (What a command exits with comes back from `main`.)"""
    try:
        status = root.main(
            args=list(arguments),
            prog_name="docker-agent",
            complete_var="_DOCKER_AGENT_COMPLETE",
            standalone_mode=False,
        )
    except click.UsageError as exc:
        with_known_flag(exc).show(sys.stderr)
        return 2
    except ConfigError as exc:
        click.echo(f"docker-agent: {exc}", err=True)
        return 2 if exc.usage else 1
    except click.ClickException as exc:
        exc.show(sys.stderr)
        return exc.exit_code
    except click.exceptions.Exit as exc:
        return exc.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("docker-agent: stopped", err=True)
        return 130
    return status if isinstance(status, int) else 0
