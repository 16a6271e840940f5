"""The models gateway: one address in front of all providers, which holds their keys.

Source: agent-file.md §3.12.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from urllib.parse import urlsplit, urlunsplit

import msgspec

from docker_agent import __version__
from docker_agent.config.expand import expand_shell
from docker_agent.env.chain import Secrets
from docker_agent.errors import ConfigError
from docker_agent.events import EmitDeltas
from docker_agent.models.endpoints import ENDPOINTS
from docker_agent.models.errors import HttpError
from docker_agent.models.http_port import Http, Response
from docker_agent.models.port import Ask, Model, ModelCard, Reply
from docker_agent.models.resolve import CHAT, RESPONSES, Resolved, overlaid
from docker_agent.models.scrub import mint

TOKEN = "DOCKER_TOKEN"
VARIABLES = ("DOCKER_AGENT_MODELS_GATEWAY", "CAGENT_MODELS_GATEWAY")
"""Variables that may name the gateway; the first that is set counts."""

GATED = (CHAT, RESPONSES, "anthropic", "google", "chatgpt")
"""Protocols that go through a gateway; the rest run on this machine or have their own sign-in."""

SIGN_IN = (
    "this models gateway takes the token of Docker Desktop, and DOCKER_TOKEN is not set: "
    "sign in to Docker Desktop first"
)

_PUBLIC: Mapping[str, str] = {
    "anthropic": "https://api.anthropic.com/",
    "google": "https://generativelanguage.googleapis.com/",
    "chatgpt": "https://chatgpt.com/backend-api/codex",
}
_HERE = ("localhost", "127.0.0.1", "::1")
_DOCKER = "docker.com"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_SYSTEMS = {"win32": "windows"}

_session: ContextVar[str] = ContextVar("gateway_session", default="")


class Gateway(msgspec.Struct, frozen=True):
    """Where it is: `url` without a slash at its end, `query` goes with every request.

    `trusted` says that it may have the operator's Docker token; `installation` tells installations
    apart.
    """

    url: str
    query: str = ""
    trusted: bool = False
    installation: str = ""


def parse_gateway(text: str, installation: str = "") -> Gateway:
    """The gateway of an address. Raises `ConfigError` when it is none."""
    try:
        parts = urlsplit(text.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError(
            f"the models gateway {text!r} is no http(s) address; "
            "give one such as https://gateway.example.com"
        )
    path = parts.path.removesuffix("/")
    return Gateway(
        url=urlunsplit((parts.scheme, parts.netloc, path, "", "")),
        query=parts.query,
        trusted=_is_trusted(parts.scheme, host),
        installation=installation,
    )


def _is_trusted(scheme: str, host: str) -> bool:
    if host in _HERE:
        return True
    return scheme == "https" and (host == _DOCKER or host.endswith(f".{_DOCKER}"))


def applies(resolved: Resolved) -> bool:
    """Whether this model goes through a gateway when there is one."""
    return resolved.protocol in GATED and not resolved.declared.bypass_models_gateway


def through(gateway: Gateway, resolved: Resolved, name: str, secrets: Secrets) -> Resolved:
    """The same model, reached by the gateway; `name` is what the file calls it.

    Its provider's key stays here. Raises `ConfigError` for a model that signs in on its own, and
    when the gateway needs a token that is not there.
    """
    declared = resolved.declared
    if resolved.inherited.auth is not None:
        raise declared.error(
            "auth signs in at the provider and cannot go through a models gateway; "
            "set bypass_models_gateway: true",
            "auth",
        )
    token = secrets.get(TOKEN) if gateway.trusted else None
    if gateway.trusted and not token:
        raise ConfigError(SIGN_IN)
    try:
        address = expand_shell(resolved.base_url, secrets.get)
        model = expand_shell(resolved.model, secrets.get)
    except ConfigError as exc:
        raise declared.error(str(exc)) from exc
    headers = {
        "X-Cagent-Forward": address or _public(resolved),
        "X-Cagent-Provider": resolved.provider,
        "X-Cagent-Model": model,
        "X-Cagent-Model-Name": name,
        "X-Cagent-Lang": "python",
        "X-Cagent-OS": _SYSTEMS.get(sys.platform, sys.platform),
        "X-Cagent-Arch": _ARCHITECTURES.get(platform.machine(), platform.machine()),
        "X-Cagent-Runtime": "cagent",
        "X-Cagent-Runtime-Version": __version__,
    }
    if gateway.installation:
        headers["X-Cagent-Id"] = gateway.installation
    suffix = "" if resolved.protocol in ("anthropic", "google") else "/v1"
    return msgspec.structs.replace(
        resolved,
        declared=msgspec.structs.replace(declared, base_url="", token_key=""),
        base_url=gateway.url + suffix,
        key=None,
        optional_key=None,
        headers=overlaid(resolved.headers, headers),
        gated=True,
        minted=[token] if token else [],
    )


def _public(resolved: Resolved) -> str:
    endpoint = ENDPOINTS.get(resolved.provider)
    return endpoint.base_url if endpoint else _PUBLIC.get(resolved.provider, "")


class ToGateway:
    """`Http` that adds to every request what the gateway wants: the token as it is now, its own
    parameters, the session. A token that is new goes into `minted`. `anthropic`: it stands in that
    API's header too."""

    def __init__(
        self,
        http: Http,
        gateway: Gateway,
        secrets: Secrets,
        minted: list[str],
        *,
        anthropic: bool = False,
    ) -> None:
        self._http = http
        self._gateway = gateway
        self._secrets = secrets
        self._minted = minted
        self._anthropic = anthropic

    def post(
        self, url: str, headers: Mapping[str, str], body: bytes
    ) -> AbstractAsyncContextManager[Response]:
        return self._http.post(self._addressed(url), self._headed(headers), body)

    def get(self, url: str, headers: Mapping[str, str]) -> AbstractAsyncContextManager[Response]:
        return self._http.get(self._addressed(url), self._headed(headers))

    def _addressed(self, url: str) -> str:
        query = self._gateway.query
        return f"{url}{'&' if '?' in url else '?'}{query}" if query else url

    def _headed(self, headers: Mapping[str, str]) -> dict[str, str]:
        more: dict[str, str] = {}
        if session := _session.get():
            more["X-Cagent-Session-Id"] = session
        if self._gateway.trusted:
            token = self._secrets.get(TOKEN)
            if not token:
                raise HttpError(SIGN_IN, transient=False)
            mint(self._minted, token)
            more["Authorization"] = f"Bearer {token}"
            if self._anthropic:
                more["x-api-key"] = token
        return overlaid(headers, more)


class Gatewayed:
    """A model behind a gateway, which is told whose question it is."""

    def __init__(self, model: Model) -> None:
        self._model = model

    @property
    def card(self) -> ModelCard:
        return self._model.card

    async def reply(self, ask: Ask, emit: EmitDeltas) -> Reply:
        _session.set(ask.session)
        return await self._model.reply(ask, emit)
