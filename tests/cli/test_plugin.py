"""`docker agent …`: the same program as a plugin of the docker command. Source: chat-server.md
§1, parts.md D."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from docker_agent.cli.plugin import own_arguments
from tests.conftest import Serve
from tests.harness import agent_yaml, run_command
from tests.requirements import requirement
from tests.scripted.model import Scripted


@requirement("chat:1:plugin")
def test_docker_learns_what_the_plugin_is(tmp_path: Path) -> None:
    """parts.md D: `docker-cli-plugin-metadata` prints one JSON object and exits 0."""
    done = run_command("docker-cli-plugin-metadata", home=tmp_path)
    told = json.loads(done.stdout)
    assert (done.returncode, told["SchemaVersion"]) == (0, "0.1.0")
    assert told["Vendor"] and told["Version"] and told["ShortDescription"]


@requirement("chat:1:plugin")
@pytest.mark.parametrize(
    ("given", "ours"),
    [
        (["agent", "serve", "chat", "a.yaml"], ["serve", "chat", "a.yaml"]),
        (["--debug", "agent", "version"], ["version"]),
        (["--config", "/c", "-H", "x", "-D", "agent", "version"], ["version"]),
        (["--config=/c", "agent", "version"], ["version"]),
        (["--config", "agent"], ["--config", "agent"]),
        (["help", "agent"], ["--help"]),
        (["agent", "--help"], ["--help"]),
        (["serve", "chat", "agent"], ["serve", "chat", "agent"]),
        (["--debug", "serve", "chat", "agent"], ["--debug", "serve", "chat", "agent"]),
        ([], []),
    ],
)
def test_dockers_own_words_are_taken_off(given: list[str], ours: list[str]) -> None:
    """parts.md D: argv is docker's global flags, the plugin's name, then ours."""
    assert own_arguments(given) == ours


@requirement("chat:1:plugin")
def test_the_plugin_runs_under_its_name(tmp_path: Path) -> None:
    """chat-server.md §1: accepts the plugin name as first argument."""
    done = run_command("agent", "version", home=tmp_path)
    assert done.stdout.startswith("docker-agent version ")


@requirement("chat:1:plugin")
def test_the_server_ends_when_docker_does(scripted: Scripted, serve: Serve, tmp_path: Path) -> None:
    """parts.md D: docker passes no signal on; it closes the socket it named."""
    path = tmp_path / "plugin.sock"
    with socket.socket(socket.AF_UNIX) as docker:
        docker.bind(str(path))
        docker.listen()
        environment = {"DOCKER_CLI_PLUGIN_SOCKET": str(path)}
        server = serve(agent_yaml(scripted.url, "plugin"), env=environment)
        watching, _ = docker.accept()
        assert server.client().get("/health").status == 200
        watching.close()
        assert server.wait(10) == 0
