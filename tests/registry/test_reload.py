"""Agents that change while they are served. Source: DESIGN.md §8, agent-file.md §5.5."""

from __future__ import annotations

import asyncio
import signal
import threading
from pathlib import Path

import pytest

from docker_agent.registry.artifact import make_artifact
from tests.harness import Server, agent_yaml, run_command
from tests.registry.pulling import push, serve_artifact
from tests.registry.site import Got, Said, Site, say
from tests.registry.test_serving import wait_for
from tests.requirements import requirement
from tests.scripted.client import text_of
from tests.scripted.gate import Gate
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import hold
from tests.scripted.parts import say as says

READ_AGAIN = "the agents were read again"
KEPT = "the agents stay as they were"


def listed(server: Server) -> list[str]:
    """The agents a client sees."""
    return [model["id"] for model in server.client().get("/v1/models").json["data"]]


@requirement("refs:reload:watch")
def test_a_changed_file_takes_over_without_cutting_a_stream(
    scripted: Scripted, model: Model, tmp_path: Path
) -> None:
    """DESIGN.md §8: the stream that runs ends on the team it began with; a new request finds the
    new one."""
    path = tmp_path / "own.yaml"
    path.write_text(agent_yaml(scripted.url, model.name))
    gate = Gate()
    model.script(says("first ") + hold(gate) + says("second"))
    with Server(path, "--watch", home=tmp_path) as server:
        with server.client().stream("hi") as stream:
            assert stream.next_text() == "first "
            path.write_text(agent_yaml(scripted.url, {"fresh": f"{model.name}-2"}))
            wait_for(server, READ_AGAIN)
            assert listed(server) == ["fresh"]
            gate.open()
            assert text_of(stream.rest()) == "second"
        assert server.client("fresh").chat("new").content == "new"


@requirement("refs:reload:watch")
def test_a_bad_file_keeps_the_old_team_and_the_next_good_one_takes_over(
    scripted: Scripted, model: Model, tmp_path: Path
) -> None:
    """Issue's own words: a bad new file keeps the old team and says so."""
    path = tmp_path / "own.yaml"
    good = agent_yaml(scripted.url, model.name)
    path.write_text(good)
    with Server(path, "--watch", home=tmp_path) as server:
        path.write_text("agents:\n  root: {modle: x}\n")
        wait_for(server, KEPT)
        assert f"{path}:2: agents.root: unknown key 'modle'" in server.log
        assert server.client().chat("hi").content == "hi"
        path.unlink()
        wait_for(server, KEPT, 2)
        assert "No such file" in server.log
        assert server.client().chat("hi").content == "hi"
        path.write_text(good.replace('"root"', '"again"'))
        wait_for(server, READ_AGAIN)
        assert listed(server) == ["again"]


@requirement("refs:reload:watch")
@pytest.mark.parametrize("form", ["yaml", "hcl"])
def test_texts_beside_the_file_are_watched_too(
    scripted: Scripted, model: Model, tmp_path: Path, form: str
) -> None:
    """agent-file.md §1.7, §1.2: `instruction_file`, and `file()` of HCL."""
    (tmp_path / "text.md").write_text("Speak softly.")
    path = tmp_path / f"own.{form}"
    if form == "yaml":
        agents = {"root": {"model": model.name, "instruction": "", "instruction_file": "text.md"}}
        path.write_text(agent_yaml(scripted.url, agents).replace('"9"', '"12"'))
        path.write_text(path.read_text().replace('"instruction": "",', ""))
    else:
        path.write_text(
            f'provider "s" {{\n  api_type = "openai_chatcompletions"\n  base_url = "{scripted.url}"'
            f'\n}}\nagent "root" {{\n  model = "s/{model.name}"\n'
            '  instruction = file("text.md")\n}'
        )
    with Server(path, "--watch", home=tmp_path) as server:
        (tmp_path / "text.md").write_text("Speak up.")
        wait_for(server, READ_AGAIN)
        server.client().chat("hi")
        assert "Speak up." in model.heard[-1].raw.decode()


@requirement("refs:reload:pull")
def test_a_moved_tag_is_pulled(
    open_registry: str, scripted: Scripted, model: Model, tmp_path: Path
) -> None:
    """Issue 7 of the references: `--pull-interval` follows a tag."""
    reference = f"{open_registry}/moving/{model.name}"

    def put(name: str) -> None:
        asyncio.run(
            push(reference, tmp_path, agent_yaml(scripted.url, {name: model.name}).encode())
        )

    put("first")
    with Server(reference, "--pull-interval", "1s", home=tmp_path) as server:
        assert listed(server) == ["first"]
        put("second")
        wait_for(server, READ_AGAIN)
        assert listed(server) == ["second"]
        assert f"{reference} moved" in server.log


@requirement("refs:reload:pull")
@pytest.mark.parametrize("kind", ["url", "image"])
def test_a_source_that_fails_later_keeps_the_team(
    web: Site, scripted: Scripted, model: Model, tmp_path: Path, kind: str
) -> None:
    """agent-file.md §5.2 and §5.5: what fails has not moved; what is broken is said."""
    good = agent_yaml(scripted.url, model.name)
    if kind == "url":
        reference, place = f"{web.url}/agent.yaml", "/agent.yaml"
    else:
        reference, place = f"{web.host}/a/b", "/v2/a/b/manifests/latest"

    def put(text: str) -> None:
        if kind == "url":
            web.on("GET", place, say(200, text.encode()))
        else:
            serve_artifact(web, "a/b", make_artifact(text.encode(), {}))

    put(good)
    with Server(reference, "--pull-interval", "500ms", home=tmp_path) as server:
        web.on("GET", place, say(503))
        wait_for(server, "kept copy")
        put("agents: {root: {modle: x}}")
        wait_for(server, KEPT)
        assert server.client().chat("hi").content == "hi"
        put(good.replace('"root"', '"again"'))
        wait_for(server, READ_AGAIN)
        assert listed(server) == ["again"]


@requirement("refs:reload:watch")
def test_a_hangup_during_a_reload_is_not_lost(
    web: Site, scripted: Scripted, model: Model, tmp_path: Path
) -> None:
    """DESIGN.md §8: SIGHUP reloads agent files; one after the other, and the last change counts."""
    file = agent_yaml(scripted.url, model.name)
    web.on("GET", "/agent.yaml", say(200, file.encode()))
    with Server(f"{web.url}/agent.yaml", home=tmp_path) as server:
        asked, go_on = threading.Event(), threading.Event()

        def slow(_: Got) -> Said:
            asked.set()
            assert go_on.wait(10)
            return say(200, file.encode())

        web.on("GET", "/agent.yaml", slow)
        server.signal(signal.SIGHUP)
        assert asked.wait(10)
        web.on("GET", "/agent.yaml", say(200, file.replace('"root"', '"again"').encode()))
        server.signal(signal.SIGHUP)
        go_on.set()
        wait_for(server, READ_AGAIN, 2)
        assert listed(server) == ["again"]


@requirement("refs:reload:watch")
def test_watching_nothing_is_said(tmp_path: Path) -> None:
    """STYLE.md, errors: what cannot do anything is told."""
    env = {"DOCKER_AGENT_DEFAULT_MODEL": "ollama/x"}
    with Server("default", "--watch", home=tmp_path, env=env) as server:
        assert "--watch: no file on this machine was read" in server.log
    done = run_command("serve", "chat", "default", "--pull-interval", "soon", home=tmp_path)
    assert done.returncode == 2
