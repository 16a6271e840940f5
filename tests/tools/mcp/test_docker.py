"""Servers of Docker's catalogue, with a stub in the place of docker. Source: runtime.md §10.3."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from docker_agent.errors import ConfigError, ToolError
from docker_agent.tools.mcp.catalog import CACHE_FILE, CATALOG_URL, Catalog, load_catalog
from tests.requirements import requirement
from tests.tools.mcp.opening import HERE, opened, text, value
from tests.tools.mcp.serving import Door, served
from tests.tools.mcp.test_http import streamable
from tests.tools.surroundings import around
from tests.tools.web_server import Answer, Heard, computed, site

pytestmark = pytest.mark.anyio

REGISTRY: dict[str, Any] = {
    "brave": {
        "type": "server",
        "image": "mcp/brave",
        "secrets": [{"name": "brave.api_key", "env": "BRAVE_API_KEY", "example": "x"}],
    },
    "plain": {"type": "server"},
}


def page(registry: dict[str, Any] = REGISTRY) -> Answer:
    """The catalogue."""
    body = json.dumps({"registry": registry})
    return Answer(body, type="application/json", headers={"etag": '"v1"'})


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `docker` on PATH; where it notes what it was given."""
    command = tmp_path / "bin" / "docker"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{HERE / "docker_stub.py"}" "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:/usr/bin:/bin")
    monkeypatch.setenv("STUB_NOTE", str(tmp_path / "note"))
    monkeypatch.setenv("BRAVE_API_KEY", "host-secret")
    return tmp_path / "note"


@requirement("mcp:docker:gateway", "mcp:docker:secrets")
async def test_a_server_of_the_catalogue_runs_behind_the_gateway(
    docker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """§10.3: the command line, the files and their modes; nothing is left of them."""
    async with site({"/c.json": page()}) as catalogue:
        monkeypatch.setenv("DOCKER_AGENT_MCP_CATALOG_URL", f"{catalogue.url}/c.json")
        keys: dict[str, Any] = {"ref": "docker:brave", "config": {"country": "DE"}}
        async with opened(tmp_path, secrets={"BRAVE_API_KEY": "s3cret"}, **keys) as toolset:
            assert toolset.name == "brave"
            assert await value(toolset, "echo", text="x") == {"text": "x"}
            note = json.loads(await anyio.Path(docker).read_text())
            files = [Path(note["flags"][flag]) for flag in ("--secrets", "--config")]
            assert all(file.exists() for file in files)
    assert note["words"] == ["mcp", "gateway", "run"]
    assert note["flags"]["--servers"] == "brave"
    assert note["flags"]["--catalog"] == f"{catalogue.url}/c.json"
    assert note["secrets"] == "brave.api_key=s3cret\n"
    assert note["config"] == {"brave": {"country": "DE"}}
    assert note["modes"] == ["0o600", "0o600", "0o700"]
    assert "BRAVE_API_KEY" not in note["environ"]
    assert not any(file.parent.exists() for file in files)


@requirement("mcp:docker:secrets")
async def test_a_missing_secret_fails_at_load_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """agent-file.md §6.4: the catalogue's variables, or those that the file's `env` refers to."""
    async with site({"/c.json": page()}) as catalogue:
        monkeypatch.setenv("DOCKER_AGENT_MCP_CATALOG_URL", f"{catalogue.url}/c.json")
        with pytest.raises(ConfigError, match=r"docker:brave needs .* BRAVE_API_KEY"):
            async with opened(tmp_path, ref="docker:brave"):
                pass
        own: dict[str, Any] = {"env": {"BRAVE_API_KEY": "${env.MINE}"}}
        with pytest.raises(ConfigError, match=r"not set: MINE"):
            async with opened(tmp_path, ref="docker:brave", **own):
                pass


@requirement("mcp:docker:catalog")
async def test_the_catalogue_is_kept_and_asked_for_by_its_tag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """§10.3: conditional GET; the copy is used when nobody answers."""
    asked: list[str] = []

    def answer(heard: Heard) -> Answer:
        asked.append(heard.headers.get("if-none-match", ""))
        return Answer(status=304) if asked[-1] else page()

    async with site({"/c.json": computed(answer)}) as catalogue:
        url = f"{catalogue.url}/c.json"
        first = await load_catalog(tmp_path, url)
        assert (await load_catalog(tmp_path, url)).registry == first.registry
        assert asked == [""]
        kept = tmp_path / CACHE_FILE
        content = json.loads(kept.read_text())
        kept.write_text(json.dumps({**content, "fetched": 0}))
        assert (await load_catalog(tmp_path, url)).registry == first.registry
        assert asked == ["", '"v1"']
        assert oct(kept.stat().st_mode & 0o777) == "0o600"
    kept.write_text(json.dumps({**content, "fetched": 0}))
    assert (await load_catalog(tmp_path, url)).registry == first.registry


@requirement("mcp:docker:offline")
async def test_without_a_catalogue_the_gateway_is_asked_all_the_same(
    docker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """agent-file.md §6.4: a catalogue that cannot be had is a warning only."""
    async with site({}) as nothing:
        monkeypatch.setenv("DOCKER_AGENT_MCP_CATALOG_URL", f"{nothing.url}/c.json")
        async with opened(tmp_path, ref="docker:brave") as toolset:
            assert await text(toolset, "echo") == "{}"
    assert "catalogue cannot be had" in caplog.text


@requirement("mcp:docker:unknown")
async def test_a_name_that_is_not_in_the_catalogue_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """§10.3, with what was meant."""
    async with site({"/c.json": page()}) as catalogue:
        monkeypatch.setenv("DOCKER_AGENT_MCP_CATALOG_URL", f"{catalogue.url}/c.json")
        async with opened(tmp_path, ref="docker:brav") as toolset:
            with pytest.raises(ToolError, match="no server 'brav'; did you mean 'brave'"):
                await toolset.tools(around())


@requirement("mcp:docker:missing")
async def test_without_docker_the_toolset_says_what_can_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """§10.3 5: a clear warning that names the toolset."""
    monkeypatch.setenv("PATH", str(tmp_path))
    async with site({"/c.json": page()}) as catalogue:
        monkeypatch.setenv("DOCKER_AGENT_MCP_CATALOG_URL", f"{catalogue.url}/c.json")
        async with opened(tmp_path, ref="docker:plain") as toolset:
            with pytest.raises(ToolError, match="not found; without Docker, an 'mcps'"):
                await toolset.tools(around())


@requirement("mcp:docker:missing")
async def test_a_docker_without_the_gateway_is_told_apart(
    docker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain Docker Engine takes `mcp` for nothing and complains of a flag."""
    command = docker.parent / "bin" / "docker"
    command.write_text("#!/bin/sh\necho 'unknown flag: --servers' >&2\nexit 125\n")
    async with site({"/c.json": page()}) as catalogue:
        monkeypatch.setenv("DOCKER_AGENT_MCP_CATALOG_URL", f"{catalogue.url}/c.json")
        async with opened(tmp_path, ref="docker:plain") as toolset:
            with pytest.raises(ToolError, match="has no 'docker mcp'; install Docker's MCP"):
                await toolset.tools(around())


@requirement("mcp:docker:remote")
async def test_a_remote_entry_is_a_plain_remote_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """§10.3 2."""
    door: Door = streamable()
    async with served(door) as url:
        entry = {"type": "remote", "remote": {"url": f"{url}/mcp", "transport_type": "http"}}
        async with site({"/c.json": page({"far": entry})}) as catalogue:
            monkeypatch.setenv("DOCKER_AGENT_MCP_CATALOG_URL", f"{catalogue.url}/c.json")
            keys: dict[str, Any] = {"ref": "docker:far", "allow_private_ips": True}
            async with opened(tmp_path, **keys) as toolset:
                assert await text(toolset, "add", a=2, b=3) == "5"


@requirement("mcp:docker:catalog")
def test_the_gateway_reads_dockers_own_catalogue_unless_told_otherwise() -> None:
    """§10.3: the gateway's catalogue is YAML."""
    assert Catalog({}, CATALOG_URL).gateway_url.endswith("catalog.yaml")
    assert Catalog({}, "https://mirror.example/c.json").gateway_url.endswith("c.json")


@requirement("mcp:untrusted")
async def test_a_file_from_elsewhere_starts_no_command(tmp_path: Path) -> None:
    """chat-server.md §6: what opens this machine counts only for files that the operator has."""
    starts = tmp_path / "started"
    keys: dict[str, Any] = {"command": "touch", "args": [str(starts)]}
    async with opened(tmp_path, trusted=False, **keys) as toolset:
        with pytest.raises(ToolError, match="--safety"):
            await toolset.tools(around())
    assert not starts.exists()
    private: dict[str, Any] = {"remote": {"url": "http://127.0.0.1:9/mcp"}}
    async with opened(tmp_path, trusted=False, allow_private_ips=True, **private) as toolset:
        with pytest.raises(ToolError, match="public address"):
            await toolset.tools(around())
    with pytest.raises(ConfigError, match="socket"):
        async with opened(tmp_path, trusted=False, remote={"url": "unix:///run/x.sock"}):
            pass
