"""`docker-agent record`: serve an agent, or ask it, and keep what its models said."""

from __future__ import annotations

import click
import msgspec

from docker_agent.cli.flags import Globals
from docker_agent.cli.serve_chat import chat

_NOT_HERE = ("fake", "record")
_HELP = """Record what the models of AGENT-FILE are asked and answer, into the new file CASSETTE.

Without --message the agents are served, with every flag of `serve chat`, and recorded until the
server is stopped. With it they are asked, one message after the other, and the answers printed.
Keys are never written. Replay it offline: docker-agent serve chat AGENT-FILE --fake CASSETTE
"""


def _record(
    options: Globals, agent_file: str, cassette: str, message: tuple[str, ...], **flags: object
) -> None:
    # Imported here, so that help and completion need not wait for a web server.
    from docker_agent.cli import prepare

    given = msgspec.convert({**flags, "fake": None, "record": cassette}, prepare.Flags)
    if message:
        prepare.ask(options, agent_file, given, message)
    else:
        prepare.serve(options, agent_file, given)


record = click.Command(
    "record",
    callback=click.pass_obj(_record),
    help=_HELP,
    params=[
        chat.params[0],
        click.Argument(["cassette"], metavar="CASSETTE"),
        click.Option(
            ["-m", "--message"],
            multiple=True,
            metavar="TEXT",
            help="Ask this and end, in place of serving. Repeatable: one conversation.",
        ),
        *(option for option in chat.params[1:] if option.name not in _NOT_HERE),
    ],
)
"""The command; its flags are those of `serve chat`."""
