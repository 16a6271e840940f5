"""Places of this machine that keep secrets by name: mounted secret files, and `pass`."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from docker_agent.errors import ConfigError

log = logging.getLogger(__name__)

PASS_TIMEOUT = 5.0
"""Seconds that `pass` may take for one name."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class SecretFiles:
    """A file for each secret in one directory, as container engines mount them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def get(self, name: str) -> str | None:
        """The file's text without one newline at its end; None when there is no such file.

        Raises `ConfigError` when it is no text.
        """
        if not name or name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
            return None
        path = self._directory / name
        try:
            text = path.read_bytes().decode("utf-8") if path.is_file() else None
        except OSError:
            return None
        except UnicodeDecodeError as exc:
            raise ConfigError(f"{path}: the secret is no UTF-8 text") from exc
        return None if text is None else text.removesuffix("\n")


class PasswordStore:
    """The `pass` program, asked once for each name; after it took too long, never again."""

    def __init__(
        self, program: Path, environ: Mapping[str, str], timeout: float = PASS_TIMEOUT
    ) -> None:
        self._program = program
        self._environ = environ
        self._timeout = timeout
        self._known: dict[str, str | None] = {}
        self._silent = False

    @classmethod
    def found(cls, environ: Mapping[str, str]) -> PasswordStore | None:
        """The store, if the program is on the path of `environ`."""
        program = shutil.which("pass", path=environ.get("PATH", ""))
        return cls(Path(program), environ) if program and Path(program).is_absolute() else None

    def get(self, name: str) -> str | None:
        """What `pass show NAME` prints, blanks around it gone; None when it fails."""
        if self._silent or not _NAME.fullmatch(name):
            return self._known.get(name)
        if name not in self._known:
            self._known[name] = self._show(name)
        return self._known[name]

    def _show(self, name: str) -> str | None:
        try:
            process = subprocess.Popen(
                [self._program, "show", name],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=dict(self._environ),
                start_new_session=True,
            )
        except OSError as exc:
            log.warning("pass cannot be started: %s", exc.strerror or exc)
            self._silent = True
            return None
        with process:
            try:
                output, _ = process.communicate(timeout=self._timeout)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                log.warning(
                    "pass took longer than %s s for %s; it is not asked again", self._timeout, name
                )
                self._silent = True
                return None
        text = output.decode("utf-8", "replace").strip()
        return text if process.returncode == 0 and text else None
