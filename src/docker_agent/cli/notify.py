"""Telling the service manager how the server is: ready, reloading, stopping.

A few bytes to the socket it names; without one, nothing. Source: systemd's sd_notify(3).
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Mapping

log = logging.getLogger(__name__)

VARIABLE = "NOTIFY_SOCKET"


def ready(environ: Mapping[str, str]) -> None:
    """It listens, or has read its files again."""
    _tell(environ, "READY=1\nSTATUS=Answering chats")


def reloading(environ: Mapping[str, str]) -> None:
    """It reads its files again; `ready` follows."""
    now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    _tell(environ, f"RELOADING=1\nMONOTONIC_USEC={now}\nSTATUS=Reading agents and keys again")


def stopping(environ: Mapping[str, str]) -> None:
    """It takes no more requests, and ends when the running ones have."""
    _tell(environ, "STOPPING=1\nSTATUS=Finishing running requests")


def _tell(environ: Mapping[str, str], state: str) -> None:
    name = environ.get(VARIABLE, "")
    if not name.startswith(("/", "@")):
        return
    address = f"\0{name[1:]}" if name.startswith("@") else name
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        try:
            sender.sendto(state.encode(), address)
        except OSError as exc:
            log.warning("%s %s: %s", VARIABLE, name, exc.strerror or exc)
