"""Programs that know secrets: asked once for each name, for a bounded time."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

log = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds a program may take for one name."""

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""What a name of a variable looks like; nothing else is given to a program."""


class Program:
    """A program asked with `arguments(what)`; after it took too long or could not be started, never
    again."""

    def __init__(
        self,
        path: Path,
        arguments: Callable[[str], Sequence[str]],
        environ: Mapping[str, str],
        timeout: float = PATIENCE,
    ) -> None:
        self._path = path
        self._arguments = arguments
        self._environ = environ
        self._timeout = timeout
        self._known: dict[str, str | None] = {}
        self._silent = False

    def ask(self, what: str, about: str = "") -> str | None:
        """What the program prints, blanks around it gone; None when it fails or prints nothing.
        `about` is what the log calls it, where `what` should not stand there."""
        if self._silent or what in self._known:
            return self._known.get(what)
        self._known[what] = self._run(what, about or what)
        return self._known[what]

    def _run(self, what: str, about: str) -> str | None:
        try:
            process = subprocess.Popen(
                [self._path, *self._arguments(what)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=dict(self._environ),
                start_new_session=True,
            )
        except (OSError, ValueError) as exc:
            reason = getattr(exc, "strerror", None) or exc
            log.warning("%s cannot be started: %s", self._path.name, reason)
            self._silent = True
            return None
        with process:
            try:
                output, _ = process.communicate(timeout=self._timeout)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                log.warning(
                    "%s took longer than %s s for %s; it is not asked again",
                    self._path.name,
                    self._timeout,
                    about,
                )
                self._silent = True
                return None
        text = output.decode("utf-8", "replace").strip()
        return text if process.returncode == 0 and text else None


def found_program(name: str, environ: Mapping[str, str]) -> Path | None:
    """The whole path of a program on the PATH of `environ`."""
    found = shutil.which(name, path=environ.get("PATH", ""))
    return Path(found) if found and Path(found).is_absolute() else None
