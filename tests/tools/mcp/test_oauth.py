"""Signing in to remote MCP servers, against the SDK's own authorization server. Source: runtime.md
§10.5."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from docker_agent.errors import ConfigError, ToolError
from docker_agent.tools.mcp.login import Target, login
from docker_agent.tools.mcp.oauth import Client
from docker_agent.tools.mcp.options import Address
from docker_agent.tools.mcp.tokens import Tokens
from tests.harness import COMMAND, clean_environment
from tests.requirements import requirement
from tests.tools.mcp.authority import Authority, for_machines, guarded_by
from tests.tools.mcp.opening import LIMIT, opened, text
from tests.tools.mcp.serving import served_at
from tests.tools.mcp.test_http import remote
from tests.tools.surroundings import around

pytestmark = pytest.mark.anyio


def visit(url: str) -> str:
    """What a browser does: follow, and show."""
    with urllib.request.urlopen(url, timeout=LIMIT) as page:
        return page.read().decode()


class Browser:
    """A person who opens every address they are shown."""

    def __init__(self) -> None:
        self.pages: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, url: str) -> None:
        task = asyncio.create_task(self._open(url))
        self._tasks.add(task)

    async def _open(self, url: str) -> None:
        self.pages.append(await asyncio.to_thread(visit, url))


def target(url: str, **keys: Any) -> Target:  # noqa: ANN401 - fields
    """The server at `url`."""
    return Target((Address(f"{url}/mcp", private=True),), Client(), **keys)


async def signed_in(url: str, folder: Path, authority: Authority) -> Tokens:
    """Tokens of somebody who has signed in."""
    tokens, browser = Tokens(folder / "data"), Browser()
    assert await login(target(url), tokens, browser)
    assert authority.events == ["registered", "authorized", "exchanged"]
    assert "You are signed in" in browser.pages[0]
    authority.events.clear()
    return tokens


@requirement("mcp:oauth:login", "mcp:oauth:stored")
async def test_a_sign_in_is_kept_and_used_by_the_server(tmp_path: Path) -> None:
    """§10.5: stored token, valid: works; the file is ours alone."""
    authority = Authority()
    async with served_at(guarded_by(authority)) as url:
        keys = remote(f"{url}/mcp")
        async with opened(tmp_path, **keys) as toolset:
            with pytest.raises(ToolError, match="docker-agent mcp login"):
                await toolset.tools(around())
        assert authority.events == []
        tokens = await signed_in(url, tmp_path, authority)
        assert oct(tokens.path.stat().st_mode & 0o777) == "0o600"
        async with opened(tmp_path, **keys) as toolset:
            assert await text(toolset, "add", a=2, b=3) == "5"
        assert authority.events == []
        assert not await login(target(url), tokens, Browser())


@requirement("mcp:oauth:refresh")
@pytest.mark.parametrize("how", ["known", "told"])
async def test_a_token_that_has_ended_is_renewed_in_silence(tmp_path: Path, how: str) -> None:
    """§10.5: refreshed when its end is known, and when the server says 401."""
    authority = Authority()
    async with served_at(guarded_by(authority)) as url:
        tokens = await signed_in(url, tmp_path, authority)
        if how == "told":
            authority.access.clear()
        else:
            ended = msgspec.structs.replace(tokens.get(f"{url}/mcp"), expires=1.0)
            tokens.put(f"{url}/mcp", ended)
        async with opened(tmp_path, **remote(f"{url}/mcp")) as toolset:
            assert await text(toolset, "add", a=2, b=3) == "5"
            assert authority.events == ["refreshed"]
            authority.access.clear()
            assert await text(toolset, "add", a=4, b=3) == "7"
            assert authority.events == ["refreshed", "refreshed"]
        kept = tokens.get(f"{url}/mcp").tokens
        assert kept is not None and kept["access_token"] in authority.access


@requirement("mcp:oauth:revoked")
async def test_a_grant_that_is_gone_is_told_and_not_tried_in_a_loop(tmp_path: Path) -> None:
    """§10.5: authorization required is permanent; nobody is asked, no client is registered."""
    authority = Authority()
    async with served_at(guarded_by(authority)) as url:
        await signed_in(url, tmp_path, authority)
        authority.access.clear()
        authority.refresh.clear()
        async with opened(tmp_path, **remote(f"{url}/mcp")) as toolset:
            with pytest.raises(ToolError, match="docker-agent mcp login"):
                await toolset.tools(around())
            assert toolset.status.state == "failed"
        assert authority.events == []


@requirement("mcp:oauth:renewed-elsewhere")
async def test_two_servers_of_one_grant_do_not_take_it_from_each_other(tmp_path: Path) -> None:
    """A refresh token counts once: who comes second takes the tokens that the first one got."""
    authority = Authority()
    async with served_at(guarded_by(authority)) as url:
        await signed_in(url, tmp_path, authority)
        keys = remote(f"{url}/mcp")
        async with opened(tmp_path, **keys) as one, opened(tmp_path, **keys) as two:
            assert await text(one, "add", a=1, b=1) == await text(two, "add", a=1, b=1)
            authority.access.clear()
            assert await text(one, "add", a=1, b=2) == "3"
            assert await text(two, "add", a=1, b=3) == "4"
        assert authority.events == ["refreshed"]


@requirement("mcp:oauth:client")
async def test_a_client_with_a_secret_needs_nobody(tmp_path: Path) -> None:
    """§10.5: client credentials, where no token is stored; nothing of them is kept."""
    asked: list[str] = []
    async with served_at(for_machines("me", "s3cret", asked)) as url:
        oauth = {"clientId": "me", "clientSecret": "${env.SECRET}"}
        keys = remote(f"{url}/mcp", oauth=oauth)
        async with opened(tmp_path, secrets={"SECRET": "s3cret"}, **keys) as toolset:
            assert await text(toolset, "add", a=2, b=3) == "5"
        assert asked == ["client_credentials"]
        assert not (tmp_path / "data").exists()


@requirement("mcp:oauth:refused")
async def test_a_refused_sign_in_is_told(tmp_path: Path) -> None:
    """The person, or the server, says no."""
    authority = Authority(refuses=True)
    async with served_at(guarded_by(authority)) as url:
        with pytest.raises(ConfigError, match="the sign-in was refused: not today"):
            await login(target(url), Tokens(tmp_path), Browser())


@requirement("mcp:oauth:private")
async def test_a_sign_in_goes_to_public_addresses_only(tmp_path: Path) -> None:
    """§10.5: private addresses are refused unless the file allows them."""
    authority = Authority()
    async with served_at(guarded_by(authority)) as url:
        hidden = Target((Address(f"{url}/mcp"),), Client())
        with pytest.raises(ConfigError, match="public address"):
            await login(hidden, Tokens(tmp_path), Browser())
    assert authority.events == []


@requirement("mcp:oauth:command")
async def test_the_command_signs_in_and_out(tmp_path: Path) -> None:
    """`docker-agent mcp login FILE [SERVER]` and `logout`."""
    authority = Authority()
    async with served_at(guarded_by(authority)) as url:
        entry = {**remote(f"{url}/mcp"), "name": "far"}
        file = tmp_path / "agent.yaml"
        agents = {"root": {"model": "local/smollm2", "toolsets": [{"type": "mcp", **entry}]}}
        file.write_text(json.dumps({"agents": agents}))
        process = await asyncio.create_subprocess_exec(
            *(*COMMAND, "mcp", "login", str(file), "far", "--no-browser"),
            stdout=asyncio.subprocess.PIPE,
            env={**clean_environment(tmp_path), "PYTHONUNBUFFERED": "1"},
        )
        assert process.stdout is not None
        with anyio.fail_after(LIMIT):
            assert b"Open this address" in await process.stdout.readline()
            address = (await process.stdout.readline()).decode().strip()
            assert "signed in" in await asyncio.to_thread(visit, address)
            assert f"Signed in to {url}/mcp.".encode() in await process.stdout.read()
            assert await process.wait() == 0
        tokens = Tokens(tmp_path / ".cagent")
        assert tokens.urls() == [f"{url}/mcp"]
        done = await asyncio.create_subprocess_exec(
            *(*COMMAND, "mcp", "logout", str(file)), env=clean_environment(tmp_path)
        )
        assert await done.wait() == 0
        assert tokens.urls() == []


@requirement("mcp:oauth:command")
@pytest.mark.parametrize(
    ("server", "said"), [("far", "name the server"), ("x", "is called 'x'"), (None, "no remote")]
)
async def test_the_command_says_which_servers_there_are(
    tmp_path: Path, server: str | None, said: str
) -> None:
    """A name that is unknown or missing."""
    entries: list[dict[str, Any]] = [
        {"type": "mcp", "name": name, "remote": {"url": f"https://{name}.example/mcp"}}
        for name in ("a", "b")
    ]
    toolsets = [] if server is None else entries
    file = tmp_path / "agent.yaml"
    file.write_text(
        json.dumps({"agents": {"root": {"model": "local/smollm2", "toolsets": toolsets}}})
    )
    words = [] if server in (None, "far") else [server]
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, "mcp", "login", str(file), *words),
        stderr=asyncio.subprocess.PIPE,
        env=clean_environment(tmp_path),
    )
    _, stderr = await process.communicate()
    assert process.returncode == 1
    assert said in stderr.decode() and "Traceback" not in stderr.decode()
