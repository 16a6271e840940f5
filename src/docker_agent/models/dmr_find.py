"""Where Docker Model Runner is, which models it has, and fetching one.

Source: agent-file.md §3.8.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from docker_agent.env.chain import Secrets
from docker_agent.errors import ConfigError
from docker_agent.messages import UNREADABLE
from docker_agent.models.errors import HttpError
from docker_agent.models.http_port import Http
from docker_agent.models.scrub import plain_environment

log = logging.getLogger(__name__)

HOST_VARIABLE = "MODEL_RUNNER_HOST"
ENGINES = "engines/v1/"
PORT = 12434

ON_HOST = f"http://127.0.0.1:{PORT}/{ENGINES}"
IN_CONTAINER = f"http://model-runner.docker.internal/{ENGINES}"
SOCKET = "http+unix://%2Fvar%2Frun%2Fdocker.sock/exp/vDD4.40/engines/v1/"
_CONTAINER_FALLBACKS = (
    IN_CONTAINER,
    f"http://host.docker.internal:{PORT}/{ENGINES}",
    f"http://172.17.0.1:{PORT}/{ENGINES}",
)
_DOCKER_ENV = Path("/.dockerenv")

STATUS_TIMEOUT = 15.0
"""Seconds the docker command may take to tell where the runner is."""
PROBE_TIMEOUT = 2.0
"""Seconds an address has to answer at all."""
LIST_TIMEOUT = 5.0
"""Seconds a runner has to list its models."""
PULL_TIMEOUT = 3600.0
"""Seconds that fetching a model may take."""
MAX_LISTING = 4 * 1024 * 1024
"""Bytes of a list of models."""
TOLD_LINES = 5
"""Lines of a failed command's words that are passed on."""

DEFAULT_ENGINE = "llama.cpp"
NOT_INSTALLED = (
    "Docker Model Runner is not installed: update Docker Desktop, or install the "
    "docker-model-plugin package; `docker model status` tells whether it works"
)


class Found(msgspec.Struct, frozen=True):
    """A runner: its address, which ends in a slash, and the engine behind it."""

    base_url: str
    engine: str = DEFAULT_ENGINE


class _Status(msgspec.Struct):
    endpoint: str = ""
    engine: str = ""


class _Listed(msgspec.Struct):
    id: str = ""


class _Listing(msgspec.Struct):
    data: list[_Listed] | None = None


_decode_status = msgspec.json.Decoder(_Status).decode
_decode_listing = msgspec.json.Decoder(_Listing).decode


def is_container() -> bool:
    """Whether this process runs in one."""
    return _DOCKER_ENV.exists()


def given_address(base_url: str, secrets: Secrets) -> str | None:
    """The address that the file or the environment gives; None: it must be found."""
    if base_url:
        return f"{base_url.rstrip('/')}/"
    host = (secrets.get(HOST_VARIABLE) or "").strip()
    return f"{host.rstrip('/')}/{ENGINES}" if host else None


def meant(endpoint: str, *, container: bool) -> str:
    """The address to use for the endpoint that the docker command reports."""
    default = IN_CONTAINER if container else ON_HOST
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return default
    if parts.scheme not in ("http", "https") or (not host and port is None):
        return default
    if not host:
        return ON_HOST
    if container:
        return f"{endpoint.rstrip('/')}/"
    if host == "model-runner.docker.internal":
        return SOCKET
    return f"http://127.0.0.1:{port or PORT}/{ENGINES}"


async def find(model: str, http: Http) -> Found:
    """The runner that the docker command knows, with `model` in it: fetched when it is missing.

    Raises `ConfigError` that says how to get either.
    """
    container = is_container()
    status, said = await _docker("model", "status", "--json", limit=STATUS_TIMEOUT)
    if status is None or status != 0:
        if "unknown flag: --json" in said or "is not a docker command" in said:
            raise ConfigError(NOT_INSTALLED)
        found = Found(await _reachable(IN_CONTAINER if container else ON_HOST, container, http))
        await _verify(model, found, http)
        return found
    told = _Status()
    with contextlib.suppress(*UNREADABLE):
        told = _decode_status(said)
    base_url = await _reachable(meant(told.endpoint, container=container), container, http)
    found = Found(base_url, told.engine or DEFAULT_ENGINE)
    await _fetch_missing(model, found, http)
    return found


async def _reachable(primary: str, container: bool, http: Http) -> str:
    """The first address that answers; `primary` when none does."""
    fallbacks = _CONTAINER_FALLBACKS if container else (ON_HOST,)
    for address in dict.fromkeys((primary, *fallbacks)):
        try:
            async with (
                asyncio.timeout(PROBE_TIMEOUT),
                http.get(f"{address}models", {}),
            ):
                return address
        except (TimeoutError, HttpError):
            continue
    log.warning(
        "Docker Model Runner does not answer; its models fail until it does "
        "(start Docker, and enable it: docker desktop enable model-runner)"
    )
    return primary


async def listed(base_url: str, http: Http, limit: float = LIST_TIMEOUT) -> list[str] | None:
    """The ids of the models a runner has; None when it does not say."""
    body = bytearray()
    try:
        async with asyncio.timeout(limit), http.get(f"{base_url}models", {}) as response:
            if response.status >= 300:
                return None
            while len(body) < MAX_LISTING and (piece := await response.read()):
                body += piece
        listing = _decode_listing(bytes(body))
    except (TimeoutError, HttpError, *UNREADABLE):
        return None
    return [one.id for one in listing.data or ()]


def is_listed(model: str, ids: Sequence[str]) -> bool:
    """Whether a model is among these; one without a tag is there with any."""
    if ":" in model:
        return model in ids
    return any(one.partition(":")[0] == model for one in ids)


def pick(default: str, ids: Sequence[str]) -> str:
    """The model to take of those a runner has, when `default` would be best."""
    if is_listed(default, ids):
        return default
    repository = default.partition(":")[0]
    for one in ids:
        if one.partition(":")[0] == repository:
            return one
    return next((one for one in ids if "embed" not in one.lower()), default)


async def docker_default(default: str, secrets: Secrets, http: Http) -> str | None:
    """The model to take when nobody names one: of those a runner has, if there is a runner."""
    address = given_address("", secrets) or (IN_CONTAINER if is_container() else ON_HOST)
    ids = await listed(address, http, PROBE_TIMEOUT)
    return None if ids is None else pick(default, ids)


async def _verify(model: str, found: Found, http: Http) -> None:
    ids = await listed(found.base_url, http)
    if ids is not None and not is_listed(model, ids):
        raise ConfigError(
            f"Docker Model Runner does not have the model {model}; fetch it: "
            f"docker model pull {model}"
        )


async def _fetch_missing(model: str, found: Found, http: Http) -> None:
    ids = await listed(found.base_url, http)
    if ids is not None and is_listed(model, ids):
        return
    there, _ = await _docker("model", "inspect", model, limit=STATUS_TIMEOUT)
    if there == 0:
        return
    log.warning("fetching the model %s with Docker Model Runner; this can take a while", model)
    status, said = await _docker("model", "pull", model, limit=PULL_TIMEOUT)
    if status != 0:
        lines = "\n".join(f"  {line}" for line in said.strip().splitlines()[-TOLD_LINES:])
        raise ConfigError(f"docker model pull {model} failed:\n{lines or '  it said nothing'}")
    log.warning("the model %s is here", model)


async def _docker(*arguments: str, limit: float) -> tuple[int | None, str]:
    """The exit status and the words of a docker command (its output when it ended well, else its
    errors); None when there is no such command, or it took too long."""
    program = shutil.which("docker")
    if program is None:
        return None, "there is no docker command"
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=plain_environment(),
        )
    except OSError as exc:
        return None, f"docker cannot be started: {exc.strerror or exc}"
    try:
        async with asyncio.timeout(limit):
            output, errors = await process.communicate()
    except TimeoutError:
        return None, f"it took longer than {limit:.0f} seconds"
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    said = output if process.returncode == 0 else errors or output
    return process.returncode, said.decode("utf-8", "replace")
