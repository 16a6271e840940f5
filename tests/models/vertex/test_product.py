"""Agents on Vertex AI, through the whole product: the real command, signed in by the machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from docker_agent.models.scrub import plain_environment
from docker_agent.tools.environment import looks_secret
from tests.conftest import Serve
from tests.harness import run_command
from tests.requirements import requirement
from tests.scripted.client import text_of
from tests.scripted.gemini import GeminiServer
from tests.scripted.gemini_parts import call, done, say
from tests.scripted.google_sign_in import Google
from tests.scripted.heard import Model

NOWHERE = {"NO_GCE_CHECK": "true"}


def agent(server: GeminiServer, model: Model, **keys: object) -> str:
    """An agent file with one agent on Vertex AI."""
    entry = {"provider": "google", "model": model.name, "base_url": server.url, **keys}
    root = {"model": "m", "instruction": "You answer.", "toolsets": [{"type": "think"}]}
    return json.dumps({"version": "12", "models": {"m": entry}, "agents": {"root": root}}, indent=1)


def on_google_cloud(sign_in: Google) -> dict[str, str]:
    """The variables of a machine whose metadata server is ours."""
    host = sign_in.url.removeprefix("http://")
    place = {"GOOGLE_CLOUD_PROJECT": "my-project", "GOOGLE_CLOUD_LOCATION": "global"}
    return {
        "GOOGLE_GENAI_USE_VERTEXAI": "true",
        "GCE_METADATA_HOST": host,
        "GCE_METADATA_IP": host,
        **place,
    }


@requirement("models:vertex:product", "models:vertex:secrets")
def test_an_agent_answers_as_the_machines_own_account(
    serve: Serve, gemini: GeminiServer, flash: Model, sign_in: Google, tmp_path: Path
) -> None:
    """agent-file.md §3.2.2: the metadata server's token; text, a tool, a stream; recorded without
    the token, and replayed where nothing of Google's is set up."""
    tool = call("think", {"thought": "hm"}, id="c1") + done()
    flash.script(tool, say("Hello") + done(), say("Hel", "lo") + done())
    cassette = tmp_path / "talk.yaml"
    file = agent(gemini, flash)
    flags = ("--record", str(cassette), "--debug")
    server = serve(file, *flags, env=on_google_cloud(sign_in))
    assert server.client().chat("hi").content == "Hello"
    with server.client().stream("hi") as stream:
        assert text_of(stream.rest()) == "Hello"
    [token] = sign_in.granted
    assert {heard.headers["authorization"] for heard in flash.heard} == {f"Bearer {token}"}
    assert "/locations/global/" in flash.heard[0].path
    kept = cassette.read_text()
    assert "Hello" in kept
    assert token not in kept and token not in server.log
    replayed = serve(file, "--fake", str(cassette), env={"GOOGLE_GENAI_USE_VERTEXAI": "true"})
    assert replayed.client().chat("hi").content == "Hello"


@requirement("models:vertex:sign-in")
def test_a_machine_without_credentials_says_what_would_be_right(
    serve: Serve, gemini: GeminiServer, flash: Model, sign_in: Google
) -> None:
    """runtime.md §4.3: an error a person can act on."""
    env = {**on_google_cloud(sign_in), **NOWHERE}
    reply = serve(agent(gemini, flash), env=env).client().chat("hi")
    assert (reply.status, reply.error["code"]) == (502, "model_error")
    assert "gcloud auth application-default login" in reply.error["message"]
    assert sign_in.granted == []


@requirement("models:vertex:start")
def test_a_missing_library_is_named(gemini: GeminiServer, flash: Model, tmp_path: Path) -> None:
    """DESIGN.md §6: google-auth is an extra; only a model that needs it asks for it."""
    hidden = "import sys\nsys.modules['google.auth'] = None\n"
    (tmp_path / "sitecustomize.py").write_text(hidden)
    place = {"project": "my-project", "location": "us-central1"}
    file = tmp_path / "agent.yaml"
    file.write_text(agent(gemini, flash, provider_opts=place))
    told = run_command("check", str(file), home=tmp_path, env={"PYTHONPATH": str(tmp_path)})
    assert "pip install 'docker-agent[vertex]'" in told.stdout
    started = run_command(
        "serve", "chat", str(file), home=tmp_path, env={"PYTHONPATH": str(tmp_path)}
    )
    assert started.returncode != 0
    assert "pip install 'docker-agent[vertex]'" in started.stderr


@requirement("models:vertex:secrets")
def test_children_are_not_told_where_the_credentials_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """runtime.md §9.2: the file's path leads to a key."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/run/key.json")
    assert looks_secret("GOOGLE_APPLICATION_CREDENTIALS")
    assert "GOOGLE_APPLICATION_CREDENTIALS" not in plain_environment()
