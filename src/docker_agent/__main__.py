"""The command `docker-agent`; answers `version` before it imports anything heavy."""

from __future__ import annotations

import sys

from docker_agent import __version__


def main() -> None:
    """Run the command line and end the process with its status."""
    if sys.argv[1:] in (["version"], ["--version"]):
        sys.stdout.write(f"docker-agent version {__version__}\n")
        return
    from docker_agent.cli.main import run_command_line

    sys.exit(run_command_line(sys.argv[1:]))


if __name__ == "__main__":
    main()
