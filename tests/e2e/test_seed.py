"""The commands of the documentation this server was built from, typed as they stand there.
Source: seed.txt."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.harness import Server, agent_yaml, clean_environment
from tests.requirements import requirement
from tests.scripted.model import Scripted
from tests.scripted.parts import say

MODELS = "curl http://127.0.0.1:8083/v1/models"
CHAT = r"""curl http://127.0.0.1:8083/v1/chat/completions \
-H 'Content-Type: application/json' \
-d '{
"model": "root",
"messages": [{"role": "user", "content": "Hello!"}]
}'"""
STREAM = r"""curl -N http://127.0.0.1:8083/v1/chat/completions \
-H 'Content-Type: application/json' \
-d '{
"model": "root",
"stream": true,
"messages": [{"role": "user", "content": "Stream a poem"}]
}'"""
REMEMBER, RECALL = (
    rf"""curl http://127.0.0.1:8083/v1/chat/completions \
-H 'Content-Type: application/json' \
-H 'X-Conversation-Id: my-thread-1' \
-d '{{
"model": "root",
"messages": [{{"role": "user", "content": "{text}"}}]
}}'"""
    for text in ("Remember my name is Alice", "What is my name?")
)


@pytest.fixture(scope="module")
def server(scripted: Scripted, tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """The seed's own flags: `--conversations-max 100 --conversation-ttl 30m`."""
    flags = ("--conversations-max", "100", "--conversation-ttl", "30m")
    home = tmp_path_factory.mktemp("seed")
    with Server(agent_yaml(scripted.url, "seed"), *flags, home=home) as running:
        yield running


def typed(command: str, server: Server, home: Path) -> str:
    """What a shell prints for a command, on the port this test has."""
    done = subprocess.run(
        ["sh", "-c", command.replace("127.0.0.1:8083", server.address)],
        env=clean_environment(home),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


@requirement("seed:clients")
def test_curl_lists_the_models(server: Server, tmp_path: Path) -> None:
    """seed.txt: the list of models, its three keys first and in their order."""
    said = typed(MODELS, server, tmp_path)
    start = '{"object":"list","data":[{"id":"root","object":"model","owned_by":"docker-agent"'
    assert said.startswith(start)


@requirement("seed:clients")
def test_curl_chats(server: Server, scripted: Scripted, tmp_path: Path) -> None:
    """seed.txt: send a chat request."""
    scripted.model("seed").script(say("Hello", " there"))
    reply = json.loads(typed(CHAT, server, tmp_path))
    assert reply["choices"][0]["message"]["content"] == "Hello there"


@requirement("seed:clients")
def test_curl_streams(server: Server, scripted: Scripted, tmp_path: Path) -> None:
    """seed.txt: an SSE stream of chat.completion.chunk deltas."""
    scripted.model("seed").script(say("Roses ", "are red"))
    *events, done, rest = typed(STREAM, server, tmp_path).split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    chunks = [json.loads(event.removeprefix("data: ")) for event in events]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    texts = [chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks]
    assert "".join(texts) == "Roses are red"


@requirement("seed:conversations")
def test_curl_keeps_a_conversation(server: Server, scripted: Scripted, tmp_path: Path) -> None:
    """seed.txt: a stable X-Conversation-Id, and only the new message each time."""
    model = scripted.model("seed").forget().script(say("I will."), say("Alice."))
    typed(REMEMBER, server, tmp_path)
    reply = json.loads(typed(RECALL, server, tmp_path))
    assert reply["choices"][0]["message"]["content"] == "Alice."
    told = [message["content"] for message in model.heard[1].messages[1:]]
    assert told == ["Remember my name is Alice", "I will.", "What is my name?"]
