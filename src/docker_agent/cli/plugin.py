"""The same program as a plugin of the docker command: `docker agent serve chat …`.

Imports nothing heavy: docker asks for the metadata before every run. Source: Docker's CLI plugin
protocol, parts.md D.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections.abc import Mapping, Sequence

from docker_agent import __version__

METADATA_COMMAND = "docker-cli-plugin-metadata"
SOCKET_VARIABLE = "DOCKER_CLI_PLUGIN_SOCKET"
NAME = "agent"
DOCKERS_FLAGS_WITH_VALUE = frozenset(
    {
        *("--config", "-c", "--context", "-H", "--host", "-l", "--log-level"),
        *("--tlscacert", "--tlscert", "--tlskey"),
    }
)
"""Global flags of docker's that take a word of their own: `docker --config DIR agent …`."""


def metadata() -> str:
    """What docker wants to know of a plugin."""
    return json.dumps(
        {
            "SchemaVersion": "0.1.0",
            "Vendor": "docker-agent for Python",
            "Version": __version__,
            "ShortDescription": "Serve agents written as YAML files",
        }
    )


def own_arguments(arguments: Sequence[str]) -> list[str]:
    """Our arguments among those docker passes: its own flags, the plugin's name, then ours.

    `docker help agent` comes as `help agent`. Arguments without the plugin's name are ours alone.
    """
    if list(arguments) == ["help", NAME]:
        return ["--help"]
    given = enumerate(arguments)
    for index, argument in given:
        if argument == NAME:
            return list(arguments[index + 1 :])
        if argument in DOCKERS_FLAGS_WITH_VALUE:
            next(given, None)
        elif not argument.startswith("-"):
            break
    return list(arguments)


def end_with_docker(environ: Mapping[str, str]) -> None:
    """Stop when docker does. It passes no signal on; it closes a socket that it named to us."""
    name = environ.get(SOCKET_VARIABLE, "")
    if not name:
        return
    address = f"\0{name[1:]}" if name.startswith("@") else name
    watched = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        watched.connect(address)
    except OSError:
        watched.close()
        return
    threading.Thread(target=_stop_at_end, args=(watched,), daemon=True).start()


def _stop_at_end(watched: socket.socket) -> None:
    with watched:
        while watched.recv(1024):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
