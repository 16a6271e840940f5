"""Signing in to remote MCP servers: with tokens from before, with a client's own secret, or, on the
command line, in a browser.

Imported with the SDK, when the first such server is started. Source: runtime.md §10.5.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable

import anyio
import httpx2
import msgspec
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthMetadata,
    OAuthToken,
)
from mcp.shared.exceptions import MCPDeprecationWarning
from pydantic import AnyUrl

from docker_agent.tools.life import StartError
from docker_agent.tools.mcp.tokens import Grant, Tokens

CLIENT_NAME = "docker-agent"

NEEDS_LOGIN = (
    "it asks for authorization: sign in once with 'docker-agent mcp login FILE', or give it a "
    "header such as 'Authorization: Bearer ${env.TOKEN}'"
)

REREADS = 5
REREAD_PAUSE = 0.2
"""Looks at the tokens that somebody else is renewing, and the seconds between them."""

NOWHERE = "http://127.0.0.1/callback"
"""Where the browser would come back to, if there were one."""

EXPIRY_MARGIN = 30.0
"""Seconds before its end from which an access token is renewed."""


class Client(msgspec.Struct, frozen=True):
    """Who signs in: what the file says under `oauth`, its secret expanded."""

    id: str = ""
    secret: str = ""
    scopes: tuple[str, ...] = ()

    @property
    def scope(self) -> str | None:
        """The scopes as OAuth writes them."""
        return " ".join(self.scopes) or None


class Storage:
    """One server's grant, as the SDK asks for it. `provider` is whose metadata is kept along."""

    def __init__(self, tokens: Tokens, url: str) -> None:
        self._tokens = tokens
        self._url = url
        self.provider: OAuthClientProvider | None = None

    async def grant(self) -> Grant:
        """All that is kept."""
        return await anyio.to_thread.run_sync(self._tokens.get, self._url)

    async def get_tokens(self) -> OAuthToken | None:
        """The tokens from before."""
        found = (await self.grant()).tokens
        return OAuthToken.model_validate(found) if found else None

    async def set_tokens(self, tokens: OAuthToken) -> None:
        """Keep new tokens, with what a later refresh needs."""
        grant = await self.grant()
        metadata = self.provider.context.oauth_metadata if self.provider else None
        changed = msgspec.structs.replace(
            grant,
            tokens=tokens.model_dump(mode="json", exclude_none=True),
            expires=time.time() + tokens.expires_in if tokens.expires_in else 0.0,
            metadata=metadata.model_dump(mode="json", exclude_none=True)
            if metadata
            else grant.metadata,
        )
        await anyio.to_thread.run_sync(self._tokens.put, self._url, changed)

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        """The client that was registered before."""
        found = (await self.grant()).client
        return OAuthClientInformationFull.model_validate(found) if found else None

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        """Keep a client that has just been registered."""
        grant = msgspec.structs.replace(
            await self.grant(), client=client_info.model_dump(mode="json", exclude_none=True)
        )
        await anyio.to_thread.run_sync(self._tokens.put, self._url, grant)


class SignedIn(OAuthClientProvider):
    """Sends the tokens from before, renewed in silence: before they end, and when the server says
    that they have."""

    def __init__(self, url: str, storage: Storage, client: Client, person: Person | None) -> None:
        """`person` signs in anew when the tokens are of no use; None: nobody is there."""
        metadata = OAuthClientMetadata(
            client_name=CLIENT_NAME,
            redirect_uris=[AnyUrl(person.redirect_uri if person else NOWHERE)],
            token_endpoint_auth_method="client_secret_post" if client.secret else None,
            scope=client.scope,
        )
        super().__init__(
            url,
            metadata,
            storage,
            person.show if person else _nobody,
            person.answer if person else _no_answer,
        )
        storage.provider = self
        self._storage = storage
        self._client = client

    async def _initialize(self) -> None:
        grant = await self._storage.grant()
        await super()._initialize()
        if self._client.id and self.context.client_info is None:
            self.context.client_info = OAuthClientInformationFull(
                redirect_uris=self.context.client_metadata.redirect_uris,
                client_id=self._client.id,
                client_secret=self._client.secret or None,
                token_endpoint_auth_method="client_secret_post" if self._client.secret else "none",
            )
        if grant.metadata:
            self.context.oauth_metadata = OAuthMetadata.model_validate(grant.metadata)
        if grant.expires:
            self.context.token_expiry_time = grant.expires - EXPIRY_MARGIN

    def _access_token(self) -> str:
        tokens = self.context.current_tokens
        return tokens.access_token if tokens else ""

    async def _handle_refresh_response(self, response: httpx2.Response) -> bool:
        """A refresh token counts once: when it is used up, somebody else has renewed the tokens,
        or is just about to keep them."""
        tried = self._access_token()
        if await super()._handle_refresh_response(response):
            return True
        for _ in range(REREADS):
            await self._initialize()
            if self._access_token() != tried and self.context.is_token_valid():
                return True
            await anyio.sleep(REREAD_PAUSE)
        self.context.clear_tokens()
        return False

    async def _auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        async with self.context.lock:
            if not self._initialized or not self.context.is_token_valid():
                await self._initialize()  # another process may have renewed them meanwhile
            if self.context.is_token_valid() and self.context.can_refresh_token():
                self._add_auth_header(request)
                used = self._access_token()
            else:
                used = ""
        if used:
            response = yield request
            if response.status_code != 401:
                return
            async with self.context.lock:
                await self._initialize()
                if self._access_token() == used:
                    self.context.token_expiry_time = 1.0
        flow = super()._auth_flow(request)
        try:
            outgoing = await anext(flow)
            while True:
                response = yield outgoing
                outgoing = await flow.asend(response)
        except StopAsyncIteration:
            return
        finally:
            await flow.aclose()


class Person(msgspec.Struct, frozen=True):
    """Somebody with a browser: who is shown an address, and whose answer comes back to
    `redirect_uri`."""

    redirect_uri: str
    show: Callable[[str], Awaitable[None]]
    answer: Callable[[], Awaitable[AuthorizationCodeResult]]


async def _nobody(url: str) -> None:
    """In a server nobody can sign in."""
    raise StartError(NEEDS_LOGIN, lasting=True)


async def _no_answer() -> AuthorizationCodeResult:
    raise StartError(NEEDS_LOGIN, lasting=True)


class _Memory:
    """Tokens of a client that can have new ones at any time."""

    def __init__(self) -> None:
        self._tokens: OAuthToken | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self._tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self._tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return None

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        return None


def sign_in(url: str, client: Client, tokens: Tokens | None) -> httpx2.Auth | None:
    """How a server is signed in to: with the tokens from before, else as a client with a secret of
    its own; None: not at all."""
    if tokens is not None and tokens.get(url).tokens:
        return SignedIn(url, Storage(tokens, url), client, None)
    if not client.id or not client.secret:
        return None
    with warnings.catch_warnings():
        # Agent files do not name the issuer; the server's own metadata do.
        warnings.simplefilter("ignore", MCPDeprecationWarning)
        return ClientCredentialsOAuthProvider(
            url, _Memory(), client.id, client.secret, scope=client.scope
        )
