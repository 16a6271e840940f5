"""The library way: our application inside somebody's own, and agents without a file. Source:
DESIGN.md §2, `server/app.py`."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness import agent_yaml, clean_environment
from tests.requirements import requirement
from tests.scripted.client import Client, text_of
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import call, say

FASTAPI = """
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from docker_agent.loader.library import open_agents
from docker_agent.server.app import build_app
from docker_agent.server.keys import Keys
from docker_agent.server.settings import ServerSettings

@asynccontextmanager
async def life(app: FastAPI) -> AsyncGenerator[None]:
    async with open_agents("agent.yaml") as teams:
        app.mount("/agents", build_app(teams, ServerSettings()))
        app.mount("/locked", build_app(teams, ServerSettings(), keys=Keys(("sesame",))))
        yield

app = FastAPI(lifespan=life)

@app.get("/own")
def own() -> dict[str, str]:
    return {"mine": "yes"}
"""

BY_HAND = """
from fastapi import FastAPI

from docker_agent.events import EmitDeltas, TextDelta
from docker_agent.messages import AssistantMessage, ToolCall, ToolMessage
from docker_agent.models.port import Ask, ModelCard, Reply
from docker_agent.runtime.agent import Agent, OneTeam, Team
from docker_agent.runtime.toolbox import Toolbox
from docker_agent.server.app import build_app
from docker_agent.server.settings import ServerSettings
from docker_agent.tools.python import PythonTools

class Clerk:
    card = ModelCard("clerk", "mine")

    async def reply(self, ask: Ask, emit: EmitDeltas) -> Reply:
        last = ask.messages[-1]
        if isinstance(last, ToolMessage):
            await emit((TextDelta(last.text),))
            return Reply(AssistantMessage(last.text))
        return Reply(AssistantMessage(calls=(ToolCall("c1", "stock", '{"item": "tea"}'),)))

def stock(item: str) -> str:
    return f"There is enough {item}."

agent = Agent("clerk", Clerk(), toolbox=Toolbox([PythonTools([stock])]))
team = Team({"clerk": agent}, default="clerk", listed=("clerk",))
app = FastAPI()
app.mount("/shop", build_app(OneTeam(team), ServerSettings()))
"""


@contextmanager
def serving(folder: Path, text: str) -> Generator[Client]:
    """An application served by uvicorn, as its author would."""
    (folder / "app.py").write_text(text)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "app:app", "--port", str(port), "--log-level", "warning"],
        cwd=folder,
        env=clean_environment(folder),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _wait_listening(process, port)
        yield Client(port=port)
    finally:
        process.terminate()
        process.wait(20)
        assert process.stderr is not None
        process.stderr.close()


def _wait_listening(process: subprocess.Popen[str], port: int) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert process.stderr is not None
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < until
            time.sleep(0.05)


def chat(client: Client, path: str, key: str = "", **fields: object):
    """One question to an application under `path`."""
    body = {"messages": [{"role": "user", "content": "go"}], **fields}
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return client.post(f"{path}/v1/chat/completions", body, headers)


@requirement("library:mount")
def test_the_application_mounts_in_fastapi(
    scripted: Scripted, model: Model, tmp_path: Path
) -> None:
    """server/app.py: under any path, beside other routes, with keys or without."""
    toolsets = [{"type": "think"}]
    file = agent_yaml(scripted.url, {"root": {"model": model.name, "toolsets": toolsets}})
    (tmp_path / "agent.yaml").write_text(file)
    model.script(call("think", {"thought": "x"}), say("Hello ", "there"))
    with serving(tmp_path, FASTAPI) as client:
        assert client.get("/own").json == {"mine": "yes"}
        assert [row["id"] for row in client.get("/agents/v1/models").json["data"]] == ["root"]
        assert chat(client, "/agents").content == "Hello there"
        with client.open(
            "POST",
            "/agents/chat/completions/",
            {"messages": [{"role": "user", "content": "go"}], "stream": True},
        ) as stream:
            assert text_of(stream.rest()) == "Hello there"
        assert client.get("/agents/health").status == 200
        assert client.get("/agents/").status == 200
        assert client.get("/agents/nope").error["code"] == "not_found"
        assert client.get("/agents/openapi.json").json["openapi"].startswith("3.1")
        assert chat(client, "/locked").error["code"] == "invalid_api_key"
        assert chat(client, "/locked", "sesame").content == "Hello there"
        assert client.get("/locked/health").status == 200


@requirement("library:hand")
def test_an_agent_built_by_hand_is_served(tmp_path: Path) -> None:
    """runtime/agent.py: a live agent is made of ports; no file, no provider."""
    with serving(tmp_path, BY_HAND) as client:
        answer = chat(client, "/shop")
        assert answer.content == "There is enough tea."
        assert answer.headers["x-agent"] == "clerk"


@requirement("library:hand")
@pytest.mark.parametrize("name", ["fastapi", "starlette.applications"])
def test_the_library_needs_no_framework(name: str) -> None:
    """DESIGN.md §2: the app factory is plain ASGI; FastAPI is a guest's choice."""
    code = f"import docker_agent.server.app, sys; sys.exit({name!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
