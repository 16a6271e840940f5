"""Who we are to a registry: what the docker command and the container tools know.

Source: agent-file.md §5.5.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import re
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from docker_agent.registry.reference import HUB

log = logging.getLogger(__name__)

HELPER_TIMEOUT = 10.0
"""Seconds a credential helper may take."""

MAX_CONFIG = 4 * 1024 * 1024
MAX_SECRET = 1024 * 1024
"""Bytes of a configuration file, and of what a helper says."""

_HUB_KEY = "https://index.docker.io/v1/"
_TOKEN_USER = "<token>"
_HELPER = re.compile(r"[A-Za-z0-9_.-]+")


class Credentials(msgspec.Struct, frozen=True):
    """A name and password, or a token that stands for both."""

    username: str = ""
    password: str = ""
    identity_token: str = ""

    def __repr__(self) -> str:
        return "Credentials(…)"

    @property
    def basic(self) -> str:
        """The `Authorization` header that shows them."""
        pair = f"{self.username}:{self.password}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"


class _Entry(msgspec.Struct, frozen=True):
    auth: str = ""
    username: str = ""
    password: str = ""
    identitytoken: str = ""


class _Config(msgspec.Struct, frozen=True, rename="camel"):
    auths: dict[str, _Entry] = {}
    creds_store: str = ""
    cred_helpers: dict[str, str] = {}


class _Said(msgspec.Struct, frozen=True, rename="pascal"):
    """What a helper prints."""

    username: str = ""
    secret: str = ""


async def find_credentials(host: str, environ: Mapping[str, str]) -> Credentials | None:
    """The credentials for a registry: of docker's configuration its helper for this host, its
    store, its entry; then of the container tools' file the same.

    None when nobody knows any. A file or helper that fails is a warning.
    """
    for path in _places(environ):
        config = _read(path)
        found = await _of_config(config, host, environ) if config else None
        if found is not None:
            return found
    return None


def _places(environ: Mapping[str, str]) -> list[Path]:
    home = environ.get("HOME", "")
    places: list[Path] = []
    if named := environ.get("DOCKER_CONFIG"):
        places.append(Path(named) / "config.json")
    elif home:
        places.append(Path(home) / ".docker" / "config.json")
    if named := environ.get("REGISTRY_AUTH_FILE"):
        places.append(Path(named))
    elif runtime := environ.get("XDG_RUNTIME_DIR"):
        places.append(Path(runtime) / "containers" / "auth.json")
    if home:
        settings = Path(environ.get("XDG_CONFIG_HOME") or Path(home) / ".config")
        places.append(settings / "containers" / "auth.json")
    return places


def _read(path: Path) -> _Config | None:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CONFIG + 1)
    except FileNotFoundError:
        return None
    except OSError as exc:
        log.warning("%s cannot be read: %s", path, exc.strerror or exc)
        return None
    try:
        if len(data) > MAX_CONFIG:
            raise ValueError(f"it is larger than {MAX_CONFIG} bytes")
        return msgspec.json.decode(data, type=_Config)
    except (msgspec.DecodeError, ValueError) as exc:
        log.warning("%s is skipped: %s", path, exc)
        return None


async def _of_config(config: _Config, host: str, environ: Mapping[str, str]) -> Credentials | None:
    helper = next(
        (name for key, name in config.cred_helpers.items() if _host_of(key) == host),
        config.creds_store,
    )
    if helper:
        found = await _ask_helper(helper, _HUB_KEY if host == HUB else host, environ)
        if found is not None:
            return found
    for key, entry in config.auths.items():
        if _host_of(key) == host and (found := _of_entry(entry)):
            return found
    return None


def _host_of(key: str) -> str:
    """The registry a key of a configuration means: `https://index.docker.io/v1/` is the Hub."""
    host = key.partition("://")[2] or key
    host = host.partition("/")[0].lower()
    return HUB if host in ("index.docker.io", "registry-1.docker.io", HUB) else host


def _of_entry(entry: _Entry) -> Credentials | None:
    username, password = entry.username, entry.password
    if entry.auth:
        with suppress(ValueError):
            pair = base64.b64decode(entry.auth, validate=True).decode()
            username, _, password = pair.partition(":")
            password = password.rstrip("\0")
    if not (username and password) and not entry.identitytoken:
        return None
    return Credentials(username, password, entry.identitytoken)


async def _ask_helper(name: str, key: str, environ: Mapping[str, str]) -> Credentials | None:
    """What `docker-credential-NAME get` says; it reads the registry's name on its stdin."""
    if not _HELPER.fullmatch(name):
        log.warning("%r is no name of a credential helper", name)
        return None
    program = f"docker-credential-{name}"
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            "get",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=dict(environ),
            start_new_session=True,
        )
    except OSError as exc:
        log.warning("%s cannot be started: %s", program, exc.strerror or exc)
        return None
    try:
        async with asyncio.timeout(HELPER_TIMEOUT):
            output, _ = await process.communicate(f"{key}\n".encode())
    except TimeoutError:
        log.warning("%s took longer than %g seconds for %s", program, HELPER_TIMEOUT, key)
        return None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    return _of_output(output, program) if process.returncode == 0 else None


def _of_output(output: bytes, program: str) -> Credentials | None:
    try:
        said = msgspec.json.decode(output[:MAX_SECRET], type=_Said)
    except msgspec.DecodeError:
        log.warning("%s does not answer with a name and a password", program)
        return None
    if not said.secret:
        return None
    if said.username == _TOKEN_USER:
        return Credentials(identity_token=said.secret)
    return Credentials(said.username, said.secret)
