"""Signing in to Anthropic with an identity token of one's own platform in place of a key.

The token is exchanged for a short-lived one, which goes with every request. Source: agent-file.md
§2.8.2; wire: https://platform.claude.com/docs/en/manage-claude/wif-reference.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import msgspec

from docker_agent.config.expand import expand_shell
from docker_agent.config.model import IdentityToken, WorkloadIdentity
from docker_agent.env.chain import Secrets
from docker_agent.errors import ConfigError
from docker_agent.messages import JSON, UNREADABLE
from docker_agent.models.errors import HttpError
from docker_agent.models.failures import clean, problem_of
from docker_agent.models.http_port import Http, Response
from docker_agent.models.recording import unrecorded
from docker_agent.models.resolve import overlaid
from docker_agent.models.scrub import mint, plain_environment
from docker_agent.models.streamed import short_body

log = logging.getLogger(__name__)

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
EXCHANGE_BETA = "oidc-federation-2026-04-01"
REQUEST_BETA = "oauth-2025-04-20"
BETA = "anthropic-beta"

TOKEN_TIMEOUT = 30.0
"""Seconds that getting either token may take."""
SPARE = 60.0
"""Seconds before its end at which a token is exchanged anew."""
DEFAULT_LIFE = 300.0
"""Seconds a token is used that does not say how long it holds."""
MAX_TOKEN = 64 * 1024
"""Bytes of an identity token."""


class _Granted(msgspec.Struct):
    access_token: str
    expires_in: float = DEFAULT_LIFE


_decode_granted = msgspec.json.Decoder(_Granted).decode


class Federated:
    """`Http` whose requests are signed in by federation. `base_url` is Anthropic's; tokens go into
    `minted`, for no message to show them."""

    def __init__(
        self,
        http: Http,
        federation: WorkloadIdentity,
        base_url: str,
        secrets: Secrets,
        minted: list[str],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self._plain = unrecorded(http)
        self._minted = minted
        self._federation = federation
        self._url = f"{base_url.rstrip('/').removesuffix('/v1')}/v1/oauth/token"
        self._secrets = secrets
        self._now = now
        self._lock = asyncio.Lock()
        self._token = ""
        self._until = 0.0

    def post(
        self, url: str, headers: Mapping[str, str], body: bytes
    ) -> AbstractAsyncContextManager[Response]:
        return self._signed(lambda signed: self._http.post(url, signed, body), headers)

    def get(self, url: str, headers: Mapping[str, str]) -> AbstractAsyncContextManager[Response]:
        return self._signed(lambda signed: self._http.get(url, signed), headers)

    @asynccontextmanager
    async def _signed(
        self,
        send: Callable[[Mapping[str, str]], AbstractAsyncContextManager[Response]],
        headers: Mapping[str, str],
    ) -> AsyncGenerator[Response]:
        token = await self._valid()
        betas = next((value for name, value in headers.items() if name.lower() == BETA), "")
        more = {
            "Authorization": f"Bearer {token}",
            BETA: ",".join(filter(None, (betas, REQUEST_BETA))),
        }
        async with send(overlaid(headers, more)) as response:
            if response.status == 401:
                self._until = 0.0
            yield response

    async def _valid(self) -> str:
        async with self._lock:
            if self._now() >= self._until:
                try:
                    async with asyncio.timeout(TOKEN_TIMEOUT):
                        granted = await self._exchanged()
                except TimeoutError as exc:
                    raise HttpError("signing in took too long", transient=True) from exc
                self._token = granted.access_token
                mint(self._minted, self._token)
                self._until = self._now() + max(0.0, granted.expires_in - SPARE)
            return self._token

    async def _exchanged(self) -> _Granted:
        federation = self._federation
        assertion = await self._assertion()
        mint(self._minted, assertion)
        fields = {
            "grant_type": GRANT,
            "assertion": assertion,
            "federation_rule_id": federation.federation_rule_id,
            "organization_id": federation.organization_id,
            "service_account_id": federation.service_account_id,
        }
        body = msgspec.json.encode({name: value for name, value in fields.items() if value})
        headers = {"Content-Type": "application/json", BETA: f"{REQUEST_BETA},{EXCHANGE_BETA}"}
        async with self._plain.post(self._url, headers, body) as response:
            said = await short_body(response)
            if response.status >= 300:
                detail = clean(_words(said), self._minted)
                raise HttpError(
                    f"signing in by workload identity federation failed "
                    f"(HTTP {response.status}){': ' if detail else ''}{detail}",
                    transient=response.status >= 500,
                )
        try:
            return _decode_granted(said)
        except UNREADABLE as exc:
            raise HttpError("signing in brought no token", transient=False) from exc

    async def _assertion(self) -> str:
        token = self._federation.identity_token
        if token is None:
            raise HttpError("there is no identity token", transient=False)
        text = (await self._identity(token)).strip()
        if not text:
            raise HttpError("the identity token is empty", transient=False)
        return text

    async def _identity(self, token: IdentityToken) -> str:
        if token.env:
            return self._secrets.get(token.env) or ""
        if token.file:
            return await asyncio.to_thread(_read, token.file)
        if token.command:
            return await _said(token.command)
        return await self._asked(token)

    async def _asked(self, token: IdentityToken) -> str:
        """The token of an address, or of a field in the JSON it answers."""
        try:
            url = expand_shell(token.url, self._secrets.get)
            headers = {
                name: expand_shell(value, self._secrets.get)
                for name, value in token.headers.items()
            }
        except ConfigError as exc:
            raise HttpError(f"identity_token: {exc}", transient=False) from exc
        async with self._plain.get(url, headers) as response:
            said = await short_body(response)
            if response.status >= 300:
                raise HttpError(
                    f"the identity token could not be fetched (HTTP {response.status})",
                    transient=response.status >= 500,
                )
        if not token.response_field:
            return said.decode("utf-8", "replace")
        return _field(said, token.response_field)


def _words(body: bytes) -> str:
    try:
        decoded: JSON = msgspec.json.decode(body)
    except UNREADABLE:
        return ""
    if isinstance(decoded, dict):
        described = cast(dict[str, Any], decoded).get("error_description")
        if isinstance(described, str):
            return described
    return problem_of(decoded).message


def _field(body: bytes, name: str) -> str:
    try:
        decoded: JSON = msgspec.json.decode(body)
    except UNREADABLE:
        decoded = None
    value = cast(dict[str, Any], decoded).get(name) if isinstance(decoded, dict) else None
    if not isinstance(value, str):
        raise HttpError(f"the answer has no text in its field {name!r}", transient=False)
    return value


def _read(name: str) -> str:
    try:
        with Path(name).open("rb") as file:
            return file.read(MAX_TOKEN).decode("utf-8", "replace")
    except OSError as exc:
        raise HttpError(
            f"the file of the identity token cannot be read: {exc.strerror or exc}",
            transient=False,
        ) from exc


async def _said(command: tuple[str, ...]) -> str:
    """What a command prints."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=plain_environment(),
        )
    except OSError as exc:
        raise HttpError(
            f"the command of the identity token cannot be started: {exc.strerror or exc}",
            transient=False,
        ) from exc
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        raise HttpError(
            f"the command of the identity token failed (status {process.returncode})",
            transient=False,
        )
    return output.decode("utf-8", "replace")
