"""Errors as the person at the terminal reads them: what was wrong, where, what would be right.
Source: agent-file.md §8, those that are not about the text of a file alone."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from docker_agent.config.agent_file import AgentFile
from docker_agent.config.parse import parse
from docker_agent.env.chain import Values
from docker_agent.errors import ConfigError
from docker_agent.loader.choose import auto_model
from docker_agent.loader.externals import MAX_NESTING, gather
from docker_agent.loader.source import Source
from tests.harness import run_command
from tests.requirements import requirement

AGENT = "agents: {root: {model: ollama/llama3.2}}\n"
CHOICE = """\
models:
  any: {first_available: [openai/a, mistral/b]}
agents: {root: {model: any}}
"""
TEAM = """\
agents:
  root: {model: openai/a}
  other: {model: mistral/b}
"""


def _said(tmp_path: Path, text: str, *command: str) -> str:
    """What the command says about a file; it must end with 1, and without a traceback."""
    (tmp_path / "agent.yaml").write_text(text)
    done = run_command(*command, home=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


SERVE = ("serve", "chat", "agent.yaml", "--listen", "127.0.0.1:0")


@requirement("file:8:E1", "file:8:E9", "file:8:E41", "file:8:E16", "file:8:E18", "file:8:E34")
@pytest.mark.parametrize(
    ("text", "command", "parts"),
    [
        (AGENT, ("serve", "chat", "no.yaml"),
         ["reading config file no.yaml: No such file or directory", "give the path of an agent"]),
        ("agents: {}\n", SERVE,
         ["agent.yaml: no agents are defined; add at least one under 'agents:'"]),
        (AGENT, (*SERVE, "--agent", "rot"), ["agent 'rot' not found; there are: root"]),
        (CHOICE, SERVE,
         ["agent.yaml:2: models.any.first_available: none of first_available can be used",
          "openai/a: OPENAI_API_KEY", "mistral/b: MISTRAL_API_KEY"]),
        (TEAM, SERVE,
         ["MISTRAL_API_KEY  for agent other (mistral/b)", "OPENAI_API_KEY   for agent root",
          "export NAME=", "--env-from-file", "local/smollm2"]),
        ("agents: {root: {model: ollama/a, cache: {enabled: true, path: ../a.json}}}\n", SERVE,
         ["agent.yaml:1: agents.root.cache.path", "../a.json"]),
    ],
    ids=["E1", "E9", "E41", "E16", "E18", "E34"],
)  # fmt: skip
def test_the_server_does_not_start_and_says_why(
    tmp_path: Path, text: str, command: tuple[str, ...], parts: list[str]
) -> None:
    """agent-file.md §8: exit non-zero before listening, one message."""
    said = _said(tmp_path, text, *command)
    assert [part for part in parts if part not in said] == [], said
    assert "Listening" not in said


@requirement("file:8:E17")
def test_auto_without_any_model_says_how_to_get_one() -> None:
    """agent-file.md §8, E17: the cause, and the remedies."""
    with pytest.raises(ConfigError) as caught:
        auto_model(Values({}), lambda _: False)
    said = str(caught.value)
    assert "no model is available for 'auto'" in said
    for part in (
        "docker-agent models pull smollm2",
        "anthropic: ANTHROPIC_API_KEY",
        "openai: OPENAI",
    ):
        assert part in said


@requirement("file:8:E36", "file:8:E37", "file:8:E38", "file:8:E39")
@pytest.mark.parametrize(
    ("text", "command", "parts"),
    [
        ("agents: {root: {model: ollama/a, fallback: {models: [groq/x]}}}\n", SERVE,
         ["GROQ_API_KEY"]),
        (AGENT.replace("ollama/llama3.2", "openai/x"),
         (*SERVE, "--models-gateway", "https://gateway.docker.com"), ["sign in", "Docker"]),
        (AGENT, ("check", "Not A Reference"), ["Not A Reference is not a file here, and"]),
        (AGENT, ("check", "http://example.com/agent.yaml"), ["https"]),
        (AGENT, ("check", "ftp://example.com/agent.yaml"), ["ftp://example.com/agent.yaml"]),
    ],
    ids=["E36", "E37", "E38", "E39", "E39-ftp"],
)  # fmt: skip
def test_what_lies_outside_of_the_file_is_said_too(
    tmp_path: Path, text: str, command: tuple[str, ...], parts: list[str]
) -> None:
    """agent-file.md §8: keys, gateways, references."""
    said = _said(tmp_path, text, *command)
    assert [part for part in parts if part not in said] == [], said


@requirement("file:8:E40")
@pytest.mark.anyio
async def test_files_that_name_each_other_without_end_are_refused() -> None:
    """agent-file.md §8, E40: external nesting; the line of the reference is named."""

    async def read(source: Source) -> AgentFile:
        number = int(source.url.rpartition("/a")[2].removesuffix(".yaml")) + 1
        return _naming(f"https://example.com/a{number}.yaml", source.url)

    file = _naming("https://example.com/a0.yaml", "agent.yaml")
    with pytest.raises(ConfigError) as caught:
        await gather(file, Source("agent.yaml"), read)
    said = str(caught.value)
    assert f"in a circle, or more than {MAX_NESTING} deep" in said
    assert ":1: agents.root.sub_agents[0]" in said


def _naming(reference: str, name: str) -> AgentFile:
    text = {"agents": {"root": {"model": "local/smollm2", "sub_agents": [reference]}}}
    return parse(msgspec.json.encode(text), name)
