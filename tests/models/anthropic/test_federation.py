"""Signing in to Anthropic without a key. Source: agent-file.md §2.8.2."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from docker_agent.config.model import IdentityToken, WorkloadIdentity
from docker_agent.env.chain import Values
from docker_agent.errors import ConfigError, ModelError
from docker_agent.messages import JSON
from docker_agent.models.anthropic_federation import Federated
from docker_agent.models.cassette import read_cassette
from docker_agent.models.http import open_http
from docker_agent.models.recording import open_recording
from docker_agent.models.replay import path_of
from tests.loader.loading import answer, loaded
from tests.recordings.go_style import anthropic_text
from tests.requirements import requirement

pytestmark = pytest.mark.anyio


class Vendor:
    """Anthropic and an identity provider on one port; what they heard."""

    def __init__(self) -> None:
        self.exchanges: list[tuple[dict[str, Any], dict[str, str]]] = []
        self.asked: list[dict[str, str]] = []
        self.refusals = 0
        self.echoes = False
        self.expires_in = 3600
        self.status = 200
        self.url = ""


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    """Running until the test ends."""
    state = Vendor()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def _send(self, status: int, body: str, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def do_GET(self) -> None:
            if self.headers.get("X-Platform") == "platform-secret":
                self._send(200, json.dumps({"value": "identity-from-url"}))
            else:
                self._send(403, "{}")

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            headers = {name.lower(): value for name, value in self.headers.items()}
            if self.path == "/v1/oauth/token":
                state.exchanges.append((body, headers))
                token = f"minted-{len(state.exchanges)}"
                granted = {"access_token": token, "expires_in": state.expires_in}
                refused = {"error": "invalid_grant", "error_description": "no rule for identity"}
                self._send(state.status, json.dumps(granted if state.status == 200 else refused))
                return
            state.asked.append(headers)
            if state.echoes:
                said = f"no access for {headers['authorization']}"
                self._send(403, json.dumps({"error": {"message": said}}))
                return
            if state.refusals:
                state.refusals -= 1
                self._send(401, json.dumps({"error": {"message": "expired"}}))
            else:
                self._send(200, anthropic_text("signed in"), "text/event-stream")

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def file(vendor: Vendor, token: dict[str, JSON], **more: JSON) -> dict[str, Any]:
    """An agent whose Claude is reached by federation."""
    federation = {
        "federation_rule_id": "fdrl_1",
        "organization_id": "the-organization",
        "identity_token": token,
        **more,
    }
    auth = {
        "type": "workload_identity_federation",
        "workload_identity_federation": federation,
    }
    model = {"provider": "anthropic", "model": "c", "base_url": vendor.url, "auth": auth}
    return {"models": {"m": model}, "agents": {"root": {"model": "m"}}}


@requirement("models:anthropic:auth")
async def test_a_token_is_exchanged_once_and_goes_with_every_request(
    vendor: Vendor, tmp_path: Path
) -> None:
    """agent-file.md §2.8.2: it replaces the key."""
    content = file(vendor, {"env": "MINE"}, service_account_id="svac_1")
    env = {"MINE": " identity \n", "ANTHROPIC_API_KEY": "sk-ant"}
    async with loaded(tmp_path, content, env) as team:
        for _ in range(2):
            assert await answer(team.agents["root"]) == "signed in"
    [(body, headers)] = vendor.exchanges
    assert body == {
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion": "identity",
        "federation_rule_id": "fdrl_1",
        "organization_id": "the-organization",
        "service_account_id": "svac_1",
    }
    assert "oidc-federation" in headers["anthropic-beta"]
    for asked in vendor.asked:
        assert asked["authorization"] == "Bearer minted-1"
        assert "oauth-2025-04-20" in asked["anthropic-beta"]
        assert "x-api-key" not in asked


@requirement("models:anthropic:auth")
async def test_a_minted_token_is_in_no_message(vendor: Vendor, tmp_path: Path) -> None:
    """runtime.md §4.3: no key gets out, nor what a key was exchanged for."""
    vendor.echoes, vendor.expires_in = True, 0
    async with loaded(tmp_path, file(vendor, {"env": "MINE"}), {"MINE": "identity"}) as team:
        for n in (1, 2):
            with pytest.raises(ModelError, match=r"no access for Bearer \*\*\*$"):
                await answer(team.agents["root"])
            assert vendor.asked[-1]["authorization"] == f"Bearer minted-{n}"


@requirement("models:recording:scrub")
async def test_signing_in_is_in_no_recording(vendor: Vendor, tmp_path: Path) -> None:
    """issue 4.6: secrets scrubbed; of a sign-in nothing is kept, and what follows is."""
    path = tmp_path / "talk.yaml"
    wanted = IdentityToken(
        url=f"{vendor.url}/identity",
        headers={"X-Platform": "platform-secret"},
        response_field="value",
    )
    async with open_http() as http:
        with open_recording(path, http, ()) as recording:
            federation = WorkloadIdentity(identity_token=wanted)
            client = Federated(recording, federation, vendor.url, Values({}), [])
            async with client.post(f"{vendor.url}/v1/messages", {}, b"{}") as response:
                while await response.read():
                    pass
            async with recording.get(f"{vendor.url}/models", {}) as response:
                assert response.status == 403
    kept = [(one.method, path_of(one.url), one.code) for one in read_cassette(path)]
    assert kept == [("POST", "/v1/messages", 200), ("GET", "/models", 403)]
    assert vendor.exchanges[0][0]["assertion"] == "identity-from-url"
    for secret in ("identity-from-url", "minted-1", "platform-secret"):
        assert secret not in path.read_text()


@requirement("models:anthropic:auth")
async def test_a_token_that_ends_or_is_refused_is_exchanged_anew(
    vendor: Vendor, tmp_path: Path
) -> None:
    """Before it ends; after a 401 with the next question."""
    vendor.expires_in = 30
    async with loaded(tmp_path, file(vendor, {"env": "MINE"}), {"MINE": "i"}) as team:
        await answer(team.agents["root"])
        await answer(team.agents["root"])
        assert len(vendor.exchanges) == 2
        vendor.expires_in, vendor.refusals = 3600, 1
        with pytest.raises(ModelError, match="expired"):
            await answer(team.agents["root"])
        await answer(team.agents["root"])
    assert len(vendor.exchanges) == 4


@requirement("models:anthropic:auth")
async def test_the_identity_comes_from_a_file_a_command_or_an_address(
    vendor: Vendor, tmp_path: Path
) -> None:
    """agent-file.md §2.8.2: exactly one of file, env, command, url."""
    (tmp_path / "token").write_text("identity-from-file\n")
    address: dict[str, JSON] = {
        "url": f"{vendor.url}/identity",
        "headers": {"X-Platform": "${PLATFORM}"},
        "response_field": "value",
    }
    tokens: tuple[dict[str, JSON], ...] = (
        {"file": str(tmp_path / "token")},
        {"command": ["echo", "identity-from-command"]},
        address,
    )
    for token in tokens:
        env = {"PLATFORM": "platform-secret"}
        async with loaded(tmp_path, file(vendor, token), env) as team:
            assert await answer(team.agents["root"]) == "signed in"
    said = [body["assertion"] for body, _ in vendor.exchanges]
    assert said == ["identity-from-file", "identity-from-command", "identity-from-url"]


@requirement("models:anthropic:auth")
async def test_what_goes_wrong_is_said_without_the_token(vendor: Vendor, tmp_path: Path) -> None:
    """runtime.md §4.3: words a person can act on, never a secret."""
    vendor.status = 400
    cases: tuple[tuple[dict[str, JSON], str], ...] = (
        ({"env": "MINE"}, "failed \\(HTTP 400\\): no rule for \\*\\*\\*"),
        ({"env": "EMPTY"}, "the identity token is empty"),
        ({"file": "/nowhere"}, "cannot be read: No such file"),
        ({"command": ["false"]}, "failed \\(status 1\\)"),
        ({"command": ["no-such-program"]}, "cannot be started"),
        ({"url": f"{vendor.url}/x"}, "could not be fetched \\(HTTP 403\\)"),
    )
    env = {"MINE": "identity", "EMPTY": " "}
    for token, said in cases:
        async with loaded(tmp_path, file(vendor, token), env) as team:
            with pytest.raises(ModelError, match=said):
                await answer(team.agents["root"])


@requirement("models:anthropic:auth")
async def test_a_file_from_elsewhere_names_no_commands(vendor: Vendor, tmp_path: Path) -> None:
    """DESIGN.md §8, safe by construction: a file from a registry runs nothing to sign in."""
    content = file(vendor, {"command": ["echo", "x"]})
    with pytest.raises(ConfigError, match=r"use identity_token\.env"):
        async with loaded(tmp_path, content, local=False):
            pass
