"""`serve chat` with all that may stand in place of a file. Source: agent-file.md §5.1."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.harness import Server, agent_yaml, run_command
from tests.registry.pulling import foreign, push, serve_artifact, sign_in
from tests.registry.site import Site, say
from tests.requirements import requirement
from tests.scripted.heard import Model
from tests.scripted.model import Scripted


def wait_for(server: Server, text: str, count: int = 1) -> None:
    """Wait until the log has said something so often; the log is a file, so it is looked at again
    and again."""
    limit = time.monotonic() + 20
    while server.log.count(text) < count:
        assert time.monotonic() < limit, server.log
        time.sleep(0.02)


@requirement("seed:registry", "refs:5.1:order", "refs:6:restricted", "chat:1:reference")
def test_an_agent_is_served_straight_from_a_registry(
    open_registry: str, scripted: Scripted, serve: Serve, model: Model, tmp_path: Path
) -> None:
    """seed.txt: run an agent straight from the registry; chat-server.md §6: restricted."""
    reference = f"{open_registry}/agentcatalog/pirate"
    file = agent_yaml(scripted.url, {"root": {"model": model.name, "toolsets": [SHELL]}}).encode()
    asyncio.run(push(reference, tmp_path, file))
    server = serve(reference)
    assert server.client().chat("hi").content == "hi"
    assert "agent root runs in safety mode 'restricted', which refuses: shell" in server.log
    assert (server.home / ".cagent" / "artifacts").is_dir()
    allowed = serve(reference, "--safety", "autonomous")
    assert "which refuses" not in allowed.log


SHELL = {"type": "shell"}


@requirement("refs:5.1:order", "refs:6:restricted", "chat:1:reference")
def test_an_agent_is_served_from_a_web_address(
    web: Site, scripted: Scripted, serve: Serve, model: Model
) -> None:
    """agent-file.md §5.1, row 5."""
    file = agent_yaml(scripted.url, {"root": {"model": model.name, "toolsets": [SHELL]}})
    web.on("GET", "/agent.yaml", say(200, file.encode()))
    server = serve(f"{web.url}/agent.yaml")
    assert server.client().chat("hi").content == "hi"
    assert "'restricted'" in server.log


@requirement("refs:5.1:alias", "chat:1:reference")
def test_an_alias_is_served_for_what_it_stands_for(
    scripted: Scripted, model: Model, tmp_path: Path
) -> None:
    """agent-file.md §5.1, row 2; §7.2: the path counts, other options are for interactive runs."""
    (tmp_path / "own.yaml").write_text(agent_yaml(scripted.url, model.name))
    settings = tmp_path / ".config" / "cagent"
    settings.mkdir(parents=True)
    alias = {"path": str(tmp_path / "own.yaml"), "yolo": True, "model": "openai/x"}
    content = {"version": "v1", "unknown": [1], "aliases": {"mine": alias, "bad": 5}}
    (settings / "config.yaml").write_text(json.dumps(content))
    with Server("mine", home=tmp_path) as server:
        assert server.client().chat("hi").content == "hi"
        assert "this alias is skipped" in server.log


@requirement("refs:5.1:alias")
@pytest.mark.parametrize("content", ["aliases: [", "- a list", "\x00"])
def test_broken_settings_stop_nothing(
    scripted: Scripted, model: Model, tmp_path: Path, content: str
) -> None:
    """agent-file.md §7.2: a broken file is logged and ignored."""
    settings = tmp_path / ".config" / "cagent"
    settings.mkdir(parents=True)
    (settings / "config.yaml").write_text(content)
    with Server(agent_yaml(scripted.url, model.name), home=tmp_path) as server:
        assert "the file is ignored" in server.log


@requirement("refs:5.1:stream")
@pytest.mark.parametrize("reference", ["-", "/dev/fd/63"])
def test_an_agent_comes_through_a_pipe_once_and_is_kept_for_reloads(
    scripted: Scripted, model: Model, tmp_path: Path, reference: str
) -> None:
    """agent-file.md §5.1: stdin `-`, and process substitution through `/dev/fd/N`."""
    (tmp_path / "own.yaml").write_text(agent_yaml(scripted.url, model.name))
    server = Server(reference, home=tmp_path)
    flow = "63< <(cat own.yaml)" if reference != "-" else "< <(cat own.yaml)"
    server.command = ("bash", "-c", f'exec "$@" {flow}', "bash", *server.command)
    with server:
        assert server.client().chat("hi").content == "hi"
        server.signal(signal.SIGHUP)
        wait_for(server, "the agents were read again")
        assert server.client().chat("again").content == "again"


@requirement("refs:5.7:built-in")
@pytest.mark.parametrize(("reference", "agents"), [("", ["root"]), ("default", ["root"])])
def test_the_built_in_agent_is_served_where_nothing_is_named(
    tmp_path: Path, reference: str, agents: list[str]
) -> None:
    """agent-file.md §5.1, rows 1 and 3; §5.7."""
    server = Server("default", home=tmp_path, env={"DOCKER_AGENT_DEFAULT_MODEL": "ollama/x"})
    server.command = tuple(reference if word == "default" else word for word in server.command)
    with server:
        listed = server.client().get("/v1/models").json["data"]
        assert [model["id"] for model in listed] == agents


@requirement("refs:5.7:built-in")
def test_the_coder_is_a_team(tmp_path: Path) -> None:
    """agent-file.md §5.7: root, planner, librarian."""
    with Server("coder", home=tmp_path, env={"OPENAI_API_KEY": "none"}) as server:
        listed = server.client().get("/v1/models").json["data"]
        assert [model["id"] for model in listed] == ["root", "planner", "librarian"]


@requirement("refs:5.1:errors")
def test_what_cannot_be_had_says_what_was_tried(web: Site, tmp_path: Path) -> None:
    """agent-file.md §5.1, E1, E38, E39: both possibilities, the cause, status 1."""
    web.on("GET", "/v2/not/agent/manifests/latest", say(200, foreign()))
    (tmp_path / "agents").mkdir()
    for reference, *said in [
        (
            f"{web.host}/a/b",
            "there is no file of this name here either",
            "there is nothing of this name",
        ),
        (f"{web.host}/not/agent", "is not an agent", "docker-agent share push"),
        (f"{web.url}/agent.yaml", f"fetching {web.url}/agent.yaml", "404"),
        ("http://example.com/a.yaml", "over https only"),
        ("No Such", "is not a file here, and", "lower case"),
        ("agents", "is a directory; name an agent file in it"),
        ("missing.yml", "reading config file missing.yml: No such file"),
    ]:
        done = run_command("serve", "chat", reference, home=tmp_path)
        assert (done.returncode, done.stdout) == (1, "")
        assert all(text in done.stderr for text in said), done.stderr
        assert "Traceback" not in done.stderr


@requirement("refs:5.5:auth")
def test_a_password_never_shows(
    locked_registry: str, tmp_path: Path, scripted: Scripted, model: Model
) -> None:
    """STYLE.md, errors: a secret is in no log, whatever goes wrong."""
    sign_in(tmp_path, locked_registry, password="pass-that-is-wrong")
    done = run_command("-d", "serve", "chat", f"{locked_registry}/own/agent", home=tmp_path)
    assert done.returncode == 1
    assert "access denied" in done.stderr
    assert "pass-that-is-wrong" not in done.stderr
    assert os.environ.get("HOME", "/nowhere") not in done.stderr


@requirement("refs:5.5:kept")
def test_a_server_starts_without_its_registry_once_it_has_been_there(
    web: Site, scripted: Scripted, model: Model, tmp_path: Path
) -> None:
    """agent-file.md §5.5: offline, the kept copy is served, and the log says so."""
    from docker_agent.registry.artifact import make_artifact

    file = agent_yaml(scripted.url, model.name).encode()
    serve_artifact(web, "a/b", make_artifact(file, {}))
    with Server(f"{web.host}/a/b", home=tmp_path):
        pass
    web.on("GET", "/v2/a/b/manifests/latest", say(503))
    with Server(f"{web.host}/a/b", home=tmp_path) as server:
        assert server.client().chat("hi").content == "hi"
        assert "cannot be pulled, its kept copy" in server.log
