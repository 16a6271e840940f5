"""An MCP server that asks for authorization, with the SDK's own authorization server, whose person
always agrees; and one for clients with a secret of their own."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    AuthorizationParams,
    AuthorizeError,
    IdentityAssertionParams,
    RefreshToken,
    construct_redirect_uri,
)
from mcp.server.auth.settings import AuthSettings, ClientRegistrationOptions
from mcp.server.mcpserver import MCPServer
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from tests.tools.mcp.sdk_server import furnished

SCOPE = "tools"


@dataclass(slots=True)
class Authority:
    """Grants kept in memory; `lifetime` is seconds of an access token. `events` is what happened:
    `registered`, `authorized`, `exchanged`, `refreshed`."""

    lifetime: int = 3600
    refuses: bool = False
    events: list[str] = field(default_factory=list[str])
    clients: dict[str, OAuthClientInformationFull] = field(
        default_factory=dict[str, OAuthClientInformationFull]
    )
    codes: dict[str, AuthorizationCode] = field(default_factory=dict[str, AuthorizationCode])
    access: dict[str, AccessToken] = field(default_factory=dict[str, AccessToken])
    refresh: dict[str, RefreshToken] = field(default_factory=dict[str, RefreshToken])

    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        return self.clients.get(client_id)

    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        self.events.append("registered")
        self.clients[client_info.client_id] = client_info

    async def authorize(
        self, client: OAuthClientInformationFull, params: AuthorizationParams
    ) -> str:
        if self.refuses:
            raise AuthorizeError("access_denied", "not today")
        self.events.append("authorized")
        code = AuthorizationCode(
            code=secrets.token_urlsafe(),
            scopes=params.scopes or [],
            expires_at=time.time() + 60,
            client_id=client.client_id,
            code_challenge=params.code_challenge,
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
        )
        self.codes[code.code] = code
        uri = str(params.redirect_uri)
        return construct_redirect_uri(uri, code=code.code, state=params.state)

    async def load_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: str
    ) -> AuthorizationCode | None:
        return self.codes.get(authorization_code)

    async def exchange_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: AuthorizationCode
    ) -> OAuthToken:
        self.events.append("exchanged")
        del self.codes[authorization_code.code]
        return self._tokens(client.client_id, authorization_code.scopes)

    async def load_refresh_token(
        self, client: OAuthClientInformationFull, refresh_token: str
    ) -> RefreshToken | None:
        return self.refresh.get(refresh_token)

    async def exchange_refresh_token(
        self, client: OAuthClientInformationFull, refresh_token: RefreshToken, scopes: list[str]
    ) -> OAuthToken:
        self.events.append("refreshed")
        del self.refresh[refresh_token.token]
        return self._tokens(client.client_id, scopes or refresh_token.scopes)

    async def load_access_token(self, token: str) -> AccessToken | None:
        found = self.access.get(token)
        return found if found and (found.expires_at or 0) > time.time() else None

    async def revoke_token(self, token: AccessToken | RefreshToken) -> None:
        self.access.pop(token.token, None)
        self.refresh.pop(token.token, None)

    async def exchange_identity_assertion(
        self, client: OAuthClientInformationFull, params: IdentityAssertionParams
    ) -> OAuthToken:
        raise NotImplementedError

    def _tokens(self, client_id: str, scopes: list[str]) -> OAuthToken:
        access, again = secrets.token_urlsafe(), secrets.token_urlsafe()
        ends = int(time.time()) + self.lifetime
        self.access[access] = AccessToken(
            token=access, client_id=client_id, scopes=scopes, expires_at=ends
        )
        self.refresh[again] = RefreshToken(token=again, client_id=client_id, scopes=scopes)
        return OAuthToken(
            access_token=access,
            refresh_token=again,
            expires_in=self.lifetime,
            scope=" ".join(scopes),
        )


def guarded_by(authority: Authority) -> Callable[[str], ASGIApp]:
    """An MCP server and its authorization server in one, by where they are."""

    def make(url: str) -> ASGIApp:
        settings: Any = {
            "issuer_url": url,
            "resource_server_url": f"{url}/mcp",
            "required_scopes": [SCOPE],
            "validate_token_resource": False,
            "client_registration_options": ClientRegistrationOptions(
                enabled=True, valid_scopes=[SCOPE], default_scopes=[SCOPE]
            ),
        }
        server = MCPServer(
            "guarded",
            log_level="CRITICAL",
            auth=AuthSettings(**settings),
            auth_server_provider=authority,
        )
        return furnished(server).streamable_http_app()

    return make


def for_machines(client_id: str, client_secret: str, asked: list[str]) -> Callable[[str], ASGIApp]:
    """An MCP server whose authorization server knows one client and no person; `asked` gets the
    grants it was asked for."""
    issued: set[str] = set()

    class Verifier:
        async def verify_token(self, token: str) -> AccessToken | None:
            return AccessToken(token=token, client_id="m", scopes=[]) if token in issued else None

    async def token(request: Request) -> Response:
        form = parse_qs((await request.body()).decode())
        asked.append(form["grant_type"][0])
        expected = f"{client_id}:{client_secret}".encode()
        given = request.headers.get("authorization", "").removeprefix("Basic ")
        if base64.b64decode(given) != expected:
            return JSONResponse({"error": "invalid_client"}, 401)
        issued.add(access := secrets.token_urlsafe())
        return JSONResponse({"access_token": access, "token_type": "Bearer", "expires_in": 60})

    def make(url: str) -> ASGIApp:
        async def metadata(request: Request) -> Response:
            return JSONResponse(
                {
                    "issuer": url,
                    "authorization_endpoint": f"{url}/authorize",
                    "token_endpoint": f"{url}/token",
                    "response_types_supported": ["code"],
                    "grant_types_supported": ["client_credentials"],
                }
            )

        settings: Any = {
            "issuer_url": url,
            "resource_server_url": f"{url}/mcp",
            "validate_token_resource": False,
        }
        server = MCPServer(
            "machines",
            log_level="CRITICAL",
            auth=AuthSettings(**settings),
            token_verifier=Verifier(),
        )
        app = furnished(server).streamable_http_app()
        routes = [
            Route("/.well-known/oauth-authorization-server", metadata),
            Route("/token", token, methods=["POST"]),
            Mount("/", app),
        ]
        return Starlette(routes=routes, lifespan=app.router.lifespan_context)

    return make
