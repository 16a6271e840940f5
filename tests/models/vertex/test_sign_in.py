"""Signing in at Google Cloud: key files, users, expiry, refusals. Source: agent-file.md §3.2.2."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from docker_agent.errors import ConfigError, ModelError
from docker_agent.messages import JSON
from docker_agent.runtime.agent import Agent
from tests.loader.loading import answer, complaint, loaded
from tests.requirements import requirement
from tests.scripted.gemini import GeminiServer
from tests.scripted.gemini_parts import done, error_event, fail, say
from tests.scripted.google_sign_in import Google
from tests.scripted.heard import Model

pytestmark = pytest.mark.anyio

FINE = say("fine") + done()
PLACE: dict[str, JSON] = {"project": "my-project", "location": "europe-west4"}


def file(server: GeminiServer, model: Model, **keys: JSON) -> dict[str, Any]:
    """An agent whose Gemini is on Vertex AI."""
    entry = {"provider": "google", "model": model.name, "base_url": server.url, **keys}
    return {
        "models": {"m": {"provider_opts": PLACE, **entry}},
        "agents": {"root": {"model": "m"}},
    }


@asynccontextmanager
async def signed(
    folder: Path, server: GeminiServer, model: Model, credentials: Mapping[str, str]
) -> AsyncGenerator[Agent]:
    """The agent, with these credentials in a file."""
    path = folder / "credentials.json"
    path.write_text(json.dumps(credentials))
    env = {"GOOGLE_APPLICATION_CREDENTIALS": str(path), "GOOGLE_API_KEY": "AIza-not-for-vertex"}
    async with loaded(folder, file(server, model), env) as team:
        yield team.agents["root"]


@pytest.fixture
def users_endpoint(sign_in: Google, monkeypatch: pytest.MonkeyPatch) -> None:
    """Users get their tokens from an endpoint that is written into Google's library."""
    name = "google.oauth2.credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT"
    monkeypatch.setattr(name, f"{sign_in.url}/token")


def token_of(model: Model, place: int = -1) -> str:
    """What a question was signed with."""
    return model.heard[place].headers["authorization"].removeprefix("Bearer ")


@requirement("models:vertex:sign-in")
async def test_a_key_file_signs_for_a_token_that_serves_many_questions(
    tmp_path: Path, gemini: GeminiServer, flash: Model, sign_in: Google
) -> None:
    """The endpoint checks the signature, the account, the scope and the time; the key of Gemini's
    own API stays here."""
    flash.script(FINE)
    async with signed(tmp_path, gemini, flash, sign_in.key_file()) as agent:
        for _ in range(3):
            assert await answer(agent) == "fine"
    assert len(sign_in.grants) == 1
    assert {token_of(flash, place) for place in range(3)} == {"ya29.scripted-token-1"}
    assert "x-goog-api-key" not in flash.heard[0].headers
    assert flash.heard[0].path == (
        "/v1beta1/projects/my-project/locations/europe-west4/publishers/google/models/"
        f"{flash.name}:streamGenerateContent"
    )


@requirement("models:vertex:sign-in")
async def test_a_user_signs_in_and_pays_from_a_project(
    tmp_path: Path,
    gemini: GeminiServer,
    flash: Model,
    sign_in: Google,
    users_endpoint: None,
) -> None:
    """What gcloud leaves behind: a refresh token, and the project whose quota counts."""
    flash.script(FINE)
    async with signed(tmp_path, gemini, flash, sign_in.user_file()) as agent:
        assert await answer(agent) == "fine"
    assert sign_in.grants[0]["grant_type"] == "refresh_token"
    assert flash.heard[0].headers["x-goog-user-project"] == "my-quota"


@requirement("models:vertex:expiry")
async def test_a_token_is_fetched_anew_shortly_before_its_end(
    tmp_path: Path, gemini: GeminiServer, flash: Model, sign_in: Google
) -> None:
    """models/google_sign_in.py, SPARE: one that holds for less is used once."""
    flash.script(FINE)
    sign_in.expires_in = 200
    async with signed(tmp_path, gemini, flash, sign_in.key_file()) as agent:
        await answer(agent)
        sign_in.expires_in = 3600
        await answer(agent)
        await answer(agent)
    assert [token_of(flash, place)[-1] for place in range(3)] == ["1", "2", "2"]


@requirement("models:vertex:expiry")
async def test_a_token_that_is_refused_is_fetched_anew_once(
    tmp_path: Path, gemini: GeminiServer, flash: Model, sign_in: Google
) -> None:
    """A kept token may end early: the same question goes out again, with another one."""
    refused = fail(401, "token ya29.scripted-token-1 expired", "UNAUTHENTICATED")
    flash.script(FINE, refused, FINE)
    async with signed(tmp_path, gemini, flash, sign_in.key_file()) as agent:
        await answer(agent)
        assert await answer(agent) == "fine"
    assert [token_of(flash, place)[-1] for place in range(3)] == ["1", "1", "2"]


@requirement("models:vertex:expiry")
async def test_a_new_token_that_is_refused_is_an_error(
    tmp_path: Path, gemini: GeminiServer, flash: Model, sign_in: Google
) -> None:
    """runtime.md §4.3: no loop, and no token in the words."""
    flash.script(fail(401, "who is ya29.scripted-token-1?", "UNAUTHENTICATED"))
    async with signed(tmp_path, gemini, flash, sign_in.key_file()) as agent:
        with pytest.raises(ModelError, match=r"who is \*\*\*\?"):
            await answer(agent)
    assert (len(flash.heard), len(sign_in.grants)) == (1, 1)


@requirement("models:vertex:secrets")
async def test_a_token_in_an_error_of_a_stream_is_not_shown(
    tmp_path: Path, gemini: GeminiServer, flash: Model, sign_in: Google
) -> None:
    """runtime.md §4.3: wherever the vendor repeats it."""
    flash.script(say("Hel") + error_event(503, "ya29.scripted-token-1 is tired", "UNAVAILABLE"))
    async with signed(tmp_path, gemini, flash, sign_in.key_file()) as agent:
        with pytest.raises(ModelError, match=r"\*\*\* is tired"):
            await answer(agent)


@requirement("models:vertex:secrets")
async def test_a_refused_sign_in_is_told_to_all_who_wait_without_secrets(
    tmp_path: Path,
    gemini: GeminiServer,
    flash: Model,
    sign_in: Google,
    users_endpoint: None,
) -> None:
    """One request for a token, not one for each caller; its words, without what it was given."""
    user = sign_in.user_file()
    secret = user["refresh_token"] = "1//refresh-secret"
    sign_in.refusal = {"error": "invalid_grant", "error_description": f"{secret} was revoked"}
    sign_in.held = True
    async with signed(tmp_path, gemini, flash, user) as agent:
        calls = [asyncio.create_task(answer(agent)) for _ in range(4)]
        await anyio.to_thread.run_sync(sign_in.asked.wait, 10)
        sign_in.go_on.set()
        said = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(one, ModelError) for one in said)
    assert {str(one) for one in said if "invalid_grant" in str(one)} == {str(said[0])}
    assert secret not in str(said[0])
    assert len(sign_in.grants) == 1


@requirement("models:vertex:cancel")
async def test_a_cancelled_sign_in_frees_its_caller_at_once(
    tmp_path: Path, gemini: GeminiServer, flash: Model, sign_in: Google
) -> None:
    """DESIGN.md, cancellation: a server that does not answer holds nobody."""
    sign_in.held = True
    async with signed(tmp_path, gemini, flash, sign_in.key_file()) as agent:
        call = asyncio.create_task(answer(agent))
        await anyio.to_thread.run_sync(sign_in.asked.wait, 10)
        call.cancel()
        with anyio.fail_after(2), pytest.raises(asyncio.CancelledError):
            await call
    assert flash.heard == []


@requirement("models:vertex:sign-in")
async def test_a_variable_may_hold_the_token(
    tmp_path: Path, gemini: GeminiServer, flash: Model, sign_in: Google
) -> None:
    """agent-file.md §9, Q3: `token_key` is honoured; it needs no library."""
    flash.script(FINE)
    content = file(gemini, flash, token_key="MY_TOKEN")
    async with loaded(tmp_path, content, {"MY_TOKEN": "ya29.mine"}) as team:
        assert await answer(team.agents["root"]) == "fine"
    assert token_of(flash) == "ya29.mine"
    assert sign_in.grants == []
    assert "MY_TOKEN  for agent root" in await complaint(tmp_path, content)


@requirement("models:vertex:start")
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read: No such file"),
        ("{", "is no JSON file with credentials"),
        ("[]", "holds no credentials of Google Cloud"),
    ],
)
async def test_a_file_without_credentials_stops_the_start(
    tmp_path: Path, gemini: GeminiServer, flash: Model, content: str | None, says: str
) -> None:
    """What can be seen without the network is said before the first question."""
    path = tmp_path / "credentials.json"
    if content is not None:
        path.write_text(content)
    env = {"GOOGLE_APPLICATION_CREDENTIALS": str(path)}
    said = await complaint(tmp_path, file(gemini, flash), env)
    assert f"GOOGLE_APPLICATION_CREDENTIALS: DIR/credentials.json {says}" in said


@requirement("models:vertex:sign-in")
async def test_a_key_file_that_lacks_something_is_told(
    tmp_path: Path, gemini: GeminiServer, flash: Model
) -> None:
    """google-auth's own words, as an error of the model."""
    async with signed(tmp_path, gemini, flash, {"type": "service_account"}) as agent:
        with pytest.raises(ModelError, match="missing fields"):
            await answer(agent)


@requirement("models:vertex:elsewhere")
async def test_a_file_from_elsewhere_sends_no_token_to_other_addresses(
    tmp_path: Path, gemini: GeminiServer, flash: Model, sign_in: Google
) -> None:
    """chat-server.md §6: the operator's sign-in is for Google alone."""
    path = tmp_path / "credentials.json"
    path.write_text(json.dumps(sign_in.key_file()))
    env = {"GOOGLE_APPLICATION_CREDENTIALS": str(path)}
    with pytest.raises(ConfigError, match="would send a token of Google Cloud to another address"):
        async with loaded(tmp_path, file(gemini, flash), env, local=False):
            pass
    place: JSON = {"project": "${DB_PASSWORD}", "location": "us-east5"}
    content = file(gemini, flash, base_url="", provider_opts=place)
    with pytest.raises(ConfigError, match="would put DB_PASSWORD into an address"):
        async with loaded(tmp_path, content, {**env, "DB_PASSWORD": "p4ss"}, local=False):
            pass
