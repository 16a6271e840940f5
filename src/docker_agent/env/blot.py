"""Keeps secrets out of `/proc/PID/environ`, where any process of the same user could read what this
one was started with."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, MutableMapping
from pathlib import Path

_ENV_START, _ENV_END = 49, 50
"""Places of two addresses in `/proc/self/stat`, counted from 0."""


def blot_environment(
    secret: Callable[[str], bool], environ: MutableMapping[str, str] = os.environ
) -> int:
    """Overwrite the values of variables that `secret` names in the memory this process was started
    with; `environ` and libraries in C go on knowing them. How many there were.

    Linux alone, and nothing elsewhere. Not undone by anything, and no help against a debugger or
    against the user root.
    """
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        start, end = (int(fields[place - 2]) for place in (_ENV_START, _ENV_END))
    except (OSError, ValueError, IndexError):
        return 0
    if not 0 < start < end:
        return 0
    blotted = 0
    at = start
    for entry in ctypes.string_at(start, end - start).split(b"\0"):
        name, equals, value = entry.partition(b"=")
        text = os.fsdecode(name)
        if equals and value and secret(text):
            ctypes.memset(at + len(name) + 1, ord("*"), len(value))
            blotted += 1
            if text in environ:
                # Told anew, so that it lies in memory of ours for whoever asks the C library.
                environ[text] = environ[text]
        at += len(entry) + 1
    return blotted
