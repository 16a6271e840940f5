"""Google's servers for signing in: the token endpoint, which checks what a key file signed, and the
metadata server of a machine on Google Cloud.

Rules of https://developers.google.com/identity/protocols/oauth2/service-account and of
https://cloud.google.com/compute/docs/metadata.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.scripted.gate import PATIENCE

EMAIL = "agent@my-project.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
USER = {"client_id": "the-client", "client_secret": "client-secret", "refresh_token": "refresh-1"}
_ACCOUNT = "/computeMetadata/v1/instance/service-accounts/default"


@cache
def key() -> rsa.RSAPrivateKey:
    """The key of the service account, made once a process."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def private_pem() -> str:
    """It as it stands in a key file."""
    form, style = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key().private_bytes(form, style, serialization.NoEncryption()).decode()


class Google:
    """The running servers. Tokens are `ya29.scripted-token-1`, `-2`, …; each holds `expires_in`
    seconds.

    `refusal` is said in place of a token; with `held`, whoever asks waits for `go_on`, and `asked`
    tells that somebody does.
    """

    def __init__(self) -> None:
        self.url = ""
        self.granted: list[str] = []
        self.grants: list[dict[str, str]] = []
        self.expires_in = 3600
        self.refusal: dict[str, str] | None = None
        self.held = False
        self.asked, self.go_on = threading.Event(), threading.Event()

    def key_file(self) -> dict[str, str]:
        """The content of a service account's key file."""
        return {
            "type": "service_account",
            "project_id": "my-project",
            "private_key_id": "key-1",
            "private_key": private_pem(),
            "client_email": EMAIL,
            "token_uri": f"{self.url}/token",
        }

    def user_file(self) -> dict[str, str]:
        """What `gcloud auth application-default login` leaves behind."""
        return {
            "type": "authorized_user",
            "token_uri": f"{self.url}/token",
            "quota_project_id": "my-quota",
            **USER,
        }

    def objection(self, form: dict[str, str]) -> str:
        """What is wrong with a request for a token; empty when nothing is."""
        if form.get("grant_type") == "refresh_token":
            wrong = [name for name, value in USER.items() if form.get(name) != value]
            return f"wrong {', '.join(wrong)}" if wrong else ""
        if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            return "unsupported grant_type"
        try:
            claims: dict[str, Any] = jwt.decode(
                form.get("assertion", ""),
                key().public_key(),
                algorithms=["RS256"],
                options={"require": ["iss", "aud", "exp", "iat"], "verify_aud": False},
            )
        except jwt.InvalidTokenError as exc:
            return f"Invalid JWT: {exc}"
        if claims["iss"] != EMAIL or SCOPE not in claims.get("scope", "").split():
            return "Invalid JWT: not this account, or not this scope"
        if claims["aud"] not in (f"{self.url}/token", "https://oauth2.googleapis.com/token"):
            return f"Invalid JWT: made for {claims['aud']}"
        too_long = claims["exp"] - claims["iat"] > 3600 or claims["exp"] < time.time()
        return "Invalid JWT: it must be a short-lived one" if too_long else ""

    def grant(self) -> dict[str, Any]:
        """A new token."""
        self.granted.append(f"ya29.scripted-token-{len(self.granted) + 1}")
        token = self.granted[-1]
        return {"access_token": token, "expires_in": self.expires_in, "token_type": "Bearer"}


@contextmanager
def google() -> Generator[Google]:
    """The servers on a free port, until the block is left."""
    state = Google()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def _send(self, status: int, body: object) -> None:
            text = body if isinstance(body, str) else json.dumps(body)
            self.send_response(status)
            self.send_header("Metadata-Flavor", "Google")
            kind = "application/text" if isinstance(body, str) else "application/json"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def do_GET(self) -> None:
            path = self.path.partition("?")[0].rstrip("/")
            if self.headers.get("Metadata-Flavor") != "Google":
                self._send(403, "Missing Metadata-Flavor:Google header.")
            elif path == f"{_ACCOUNT}/token":
                self._send(200, state.grant())
            elif path == _ACCOUNT:
                self._send(200, {"email": EMAIL, "scopes": [SCOPE], "aliases": ["default"]})
            elif path.endswith("/project/project-id"):
                self._send(200, "my-project")
            else:
                self._send(200, "computeMetadata/")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            state.grants.append(form)
            if state.held:
                state.asked.set()
                state.go_on.wait(PATIENCE)
            refusal = state.refusal
            if refusal is None and (text := state.objection(form)):
                refusal = {"error": "invalid_grant", "error_description": text}
            self._send(400, refusal) if refusal else self._send(200, state.grant())

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield state
    finally:
        state.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join()
