"""The embedded model behind the server: tools that a request forces are called, end to end."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path

import jsonschema
import pytest

from docker_agent.messages import JSON
from tests.harness import Server
from tests.requirements import requirement

AGENT = """
version: "12"
models:
  small: {provider: local, model: smollm2, max_tokens: 64, temperature: 0}
agents:
  root:
    model: small
    instruction: You are a friendly assistant. Be brief.
    toolsets:
      - type: script
        shell:
          note_mood:
            description: Note down the mood of the user.
            cmd: printf %s "$mood" >> moods
            args: {mood: {type: string, enum: [happy, sad]}}
            required: [mood]
"""
CITY: JSON = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "unit": {"enum": ["C", "F"]}},
    "required": ["city", "unit"],
    "additionalProperties": False,
}
WEATHER: JSON = {
    "type": "function",
    "function": {"name": "get_weather", "description": "The weather.", "parameters": CITY},
}


def named(name: str) -> JSON:
    """The choice of one tool."""
    return {"type": "function", "function": {"name": name}}


@pytest.fixture(scope="module")
def embedded(
    cache_dir: Path, smollm2: Path, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Server]:
    """A server with the embedded model; its agent has one tool, which leaves a file."""
    assert smollm2.is_file()
    home = tmp_path_factory.mktemp("embedded")
    flags = ("--cache-dir", str(cache_dir), "--working-dir", str(home))
    with Server(AGENT, *flags, home=home) as server:
        yield server


@requirement("local:served")
@pytest.mark.parametrize("choice", ["required", named("note_mood")], ids=["required", "named"])
def test_a_forced_tool_of_the_agent_runs_and_an_answer_follows(
    choice: JSON, embedded: Server
) -> None:
    """parts.md A4: the call fits its schema, runs, and the model then answers in words."""
    moods = embedded.home / "moods"
    moods.unlink(missing_ok=True)
    answer = embedded.client().chat("I won the lottery today!", tool_choice=choice)
    assert answer.status == 200, answer.json
    assert moods.read_text() in ("happy", "sad")
    (said,) = answer.json["choices"]
    assert said["finish_reason"] in ("stop", "length")
    assert said["message"]["content"].strip() and "tool_calls" not in said["message"]


@requirement("local:served")
def test_a_forced_tool_of_the_client_is_called_and_its_result_answered(embedded: Server) -> None:
    """chat-server.md §5: the call goes to the client, whose result the model then hears."""
    question: JSON = {"role": "user", "content": "What is the weather in Paris?"}
    choice = named("get_weather")
    client = embedded.client()
    first = client.chat([question], tools=[WEATHER], tool_choice=choice)
    assert first.status == 200, first.json
    (paused,) = first.json["choices"]
    assert paused["finish_reason"] == "tool_calls"
    (call,) = paused["message"]["tool_calls"]
    assert call["function"]["name"] == "get_weather"
    jsonschema.validate(json.loads(call["function"]["arguments"]), dict(CITY))
    result: JSON = {"role": "tool", "tool_call_id": call["id"], "content": "sunny, 20 C"}
    second = client.chat([question, paused["message"], result], tools=[WEATHER])
    assert second.status == 200, second.json
    assert second.json["choices"][0]["message"]["content"].strip()
