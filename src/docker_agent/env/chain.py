"""Where the value of a variable comes from: several sources, the first that has it wins."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from docker_agent.env.chatgpt import FILE as SIGN_IN_FILE
from docker_agent.env.chatgpt import ChatGptSignIn
from docker_agent.env.directories import Directories
from docker_agent.env.docker import CredentialHelper, Desktop, SandboxToken
from docker_agent.env.files import flagged_files, read_env_file
from docker_agent.env.stores import Keychain, OnePassword, PasswordStore, SecretFiles
from docker_agent.errors import ConfigError

log = logging.getLogger(__name__)

SECRET_FILES = Path("/run/secrets")
"""Where container engines mount secrets."""


STAND_IN = "not-needed"
"""What a missing key is called where none is needed."""


class Secrets(Protocol):
    """Variables by name."""

    def get(self, name: str) -> str | None:
        """The value, which may be empty; None when nobody has it."""
        ...


class Values:
    """Variables in a mapping: a process environment, the content of an env file."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def get(self, name: str) -> str | None:
        """The value of `name`."""
        return self._values.get(name)


class StandIns:
    """Other secrets, with something in place of those of `names` that are missing: for models
    that answer from a recording, and so need no key."""

    def __init__(self, secrets: Secrets, names: Collection[str]) -> None:
        self._secrets = secrets
        self._names = names

    def get(self, name: str) -> str | None:
        """The value of `name`, or the stand-in."""
        value = self._secrets.get(name)
        return STAND_IN if not value and name in self._names else value


class Chain:
    """Asks `sources` in order; a value that is set but empty ends the search too.

    A value that begins with `op://` is a reference to a password manager, and is what `op read`
    says. Values of `literal` sources, which come first, are taken as they are. `settings` are
    those of all sources that hold more than secrets.
    """

    def __init__(
        self,
        sources: Sequence[Secrets],
        *,
        literal: Sequence[Secrets] = (),
        references: OnePassword | None = None,
        settings: Sequence[Secrets] = (),
    ) -> None:
        self.settings = tuple(settings)
        self._literal = tuple(literal)
        self._sources = tuple(sources)
        self._references = references or OnePassword({})

    def get(self, name: str) -> str | None:
        """The first value found."""
        for source in self._literal:
            value = source.get(name)
            if value is not None:
                return value
        for source in self._sources:
            value = source.get(name)
            if value is not None:
                is_reference = value.startswith(_REFERENCE)
                return self._references.read(name, value) if is_reference else value
        return None


_REFERENCE = "op://"


def settings_of(secrets: Secrets) -> Secrets:
    """As much of `secrets` as comes from places that hold more than secrets."""
    return Chain(secrets.settings) if isinstance(secrets, Chain) else secrets


def standard_chain(
    environ: Mapping[str, str],
    env_from_file: Sequence[str],
    working_dir: Path,
    directories: Directories,
    secret_files: Path = SECRET_FILES,
    helper: Sequence[str] = (),
) -> Chain:
    """The sources of this machine, in this order: files of `--env-from-file`, a sandbox's token,
    `environ`, mounted secrets, the `.env` of the configuration directory, a sign-in at ChatGPT
    that is kept there, the `helper` program of the user's settings, Docker Desktop, `pass`, the
    keychain.

    Raises `ConfigError` for a file that a flag names and that cannot be used; an unusable `.env`
    is a warning. Source: agent-file.md §6.1.
    """
    home = environ.get("HOME")
    flagged = flagged_files(env_from_file, working_dir, Path(home) if home else None)
    sources: list[Secrets | None] = [
        SandboxToken.found(environ, directories.config),
        Values(environ),
        SecretFiles(secret_files),
        _own_file(directories.config / ".env"),
        ChatGptSignIn(directories.config / SIGN_IN_FILE),
        CredentialHelper(helper, environ) if helper else None,
        Desktop.found(home),
        PasswordStore.found(environ),
        Keychain.found(environ),
    ]
    literal = [Values(values) for values in flagged]
    return Chain(
        [source for source in sources if source is not None],
        literal=literal,
        references=OnePassword(environ),
        settings=[*literal, Values(environ)],
    )


def _own_file(path: Path) -> Secrets | None:
    if not path.exists():
        return None
    try:
        return Values(read_env_file(path))
    except ConfigError as exc:
        log.warning("%s; it is skipped", exc)
        return None
