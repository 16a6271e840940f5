"""Places of this machine that keep secrets by name: mounted files, `pass`, the keychain,
1Password."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from pathlib import Path

from docker_agent.env.programs import NAME, PATIENCE, Program, found_program
from docker_agent.errors import ConfigError

log = logging.getLogger(__name__)

OP_PATIENCE = 30.0
"""Seconds for `op`, which may want a finger on a sensor."""


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
    """The `pass` program."""

    def __init__(
        self, program: Path, environ: Mapping[str, str], timeout: float = PATIENCE
    ) -> None:
        self._program = Program(program, lambda name: ("show", name), environ, timeout)

    @classmethod
    def found(cls, environ: Mapping[str, str]) -> PasswordStore | None:
        """The store, if the program is on the path of `environ`."""
        program = found_program("pass", environ)
        return cls(program, environ) if program is not None else None

    def get(self, name: str) -> str | None:
        """What `pass show NAME` prints, blanks around it gone; None when it fails."""
        return self._program.ask(name) if NAME.fullmatch(name) else None


class Keychain:
    """The keychain of macOS, asked for a password whose service has the variable's name."""

    def __init__(self, program: Path, environ: Mapping[str, str]) -> None:
        self._program = Program(
            program, lambda name: ("find-generic-password", "-w", "-s", name), environ
        )

    @classmethod
    def found(cls, environ: Mapping[str, str], platform: str = sys.platform) -> Keychain | None:
        """The keychain, on a Mac."""
        program = found_program("security", environ) if platform == "darwin" else None
        return cls(program, environ) if program is not None else None

    def get(self, name: str) -> str | None:
        """The password; None when there is none."""
        return self._program.ask(name) if NAME.fullmatch(name) else None


class OnePassword:
    """The `op` program, which knows what a reference like `op://vault/item/field` stands for."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        program = found_program("op", environ)
        self._program = (
            Program(program, lambda reference: ("read", reference), environ, OP_PATIENCE)
            if program is not None
            else None
        )

    def read(self, name: str, reference: str) -> str:
        """The secret of the variable `name`. Empty, with a warning, when it cannot be had."""
        if self._program is None:
            log.warning("%s holds a reference of 1Password, and `op` is not on the PATH", name)
            return ""
        found = self._program.ask(reference, about=name)
        if found is None:
            log.warning("op read knows nothing for the reference that %s holds", name)
        return found or ""
