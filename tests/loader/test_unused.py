"""What speaks to interactive clients is accepted and named once; files beside an HCL file are
watched. Source: agent-file.md §2, issue of the reload."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from docker_agent.config.parse import parse
from docker_agent.loader.reading import Seen, read_agent_file
from docker_agent.loader.source import Source
from docker_agent.loader.unbuilt import refuse_unbuilt
from tests.requirements import requirement

TEXT = b"""
version: "12"
commands: {g: {c: do}}
providers: {p: {base_url: "http://127.0.0.1:1/v1", unload_api: /unload}}
models: {m: {provider: ollama, model: x, title_model: ollama/y}}
agents:
  root:
    model: m
    welcome_message: Hello
    commands: {a: b}
    use_commands: [g]
    hooks:
      pre_tool_use:
        - {matcher: shell, hooks: {type: command, command: "true"}}
        - {matcher: "*", preempt_yolo: true, hooks: {type: command, command: "true"}}
    toolsets:
      - {type: shell, sudo_askpass: true}
      - {type: shell, sudo_askpass: false}
"""


@requirement("file:2:unused")
def test_keys_for_interactive_clients_are_named_once_with_debug(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """agent-file.md §2: accepted; the log names them at its most detailed alone."""
    file = parse(TEXT, "agent.yaml")
    with caplog.at_level(logging.INFO, "docker_agent"):
        refuse_unbuilt(file)
    assert caplog.text == ""
    with caplog.at_level(logging.DEBUG, "docker_agent"):
        refuse_unbuilt(file)
    (record,) = caplog.records
    assert record.getMessage() == (
        "these keys speak to interactive clients and have no effect here: "
        "agents.root.welcome_message, agents.root.commands, agents.root.use_commands, "
        "agents.root.toolsets[0].sudo_askpass, agents.root.hooks.pre_tool_use[1].preempt_yolo, "
        "models.m.title_model, providers.p.unload_api, commands"
    )


@requirement("file:1.2:watched")
def test_a_text_that_an_hcl_file_reads_is_watched_with_it(tmp_path: Path) -> None:
    """A change of what `file()` read is a change of the agent file."""
    text = tmp_path / "text.md"
    text.write_text("one")
    data = b'agent "root" {\n  model = "ollama/x"\n  instruction = file("text.md")\n}\n'
    seen = Seen()
    file = read_agent_file(data, Source("a.hcl", tmp_path / "a.hcl", tmp_path), seen)
    assert file.agents[0].instruction == "one"
    assert seen.changed() == []
    text.write_text("another")
    assert seen.changed() == [text]
