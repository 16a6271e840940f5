"""The command `docker-agent`; answers `version` and docker's questions before it imports anything
heavy."""

from __future__ import annotations

import os
import sys

from docker_agent import __version__
from docker_agent.cli import plugin


def main() -> None:
    """Run the command line and end the process with its status."""
    arguments = plugin.own_arguments(sys.argv[1:])
    if arguments == [plugin.METADATA_COMMAND]:
        sys.stdout.write(plugin.metadata() + "\n")
        return
    if arguments in (["version"], ["--version"]):
        sys.stdout.write(f"docker-agent version {__version__}\n")
        return
    plugin.end_with_docker(os.environ)
    from docker_agent.cli.main import run_command_line

    sys.exit(run_command_line(arguments))


if __name__ == "__main__":
    main()
