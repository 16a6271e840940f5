"""When a newer catalogue of models is fetched, and what a start does without the network. Source:
agent-file.md §3.5; issue 4.5: refreshed when online and asked to."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anyio
import pytest

from docker_agent.models import refresh
from docker_agent.models.catalogue import FILE, Catalogue
from docker_agent.models.http import open_http
from docker_agent.models.port import ModelCard
from tests.harness import Server, agent_yaml, run_command
from tests.models.test_catalogue import TINY
from tests.requirements import requirement
from tests.scripted.model import Scripted


@dataclass(slots=True)
class Site:
    """A site that publishes a catalogue with a tag, and redirects to it from `/old`."""

    url: str = ""
    body: bytes = b""
    asked: list[tuple[str, str | None]] = field(default_factory=list[tuple[str, str | None]])


@pytest.fixture
def site() -> Generator[Site]:
    """Where a catalogue is published."""
    made = Site(body=json.dumps(TINY).encode())

    class Publisher(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: ANN401 - a port of the library
            pass

        def do_GET(self) -> None:
            tag = self.headers.get("If-None-Match")
            made.asked.append((self.path, tag))
            status = 302 if self.path != "/api.json" else 304 if tag == '"v1"' else 200
            self.send_response(status)
            self.send_header("ETag", '"v1"')
            self.send_header("Location", "/api.json" if self.path == "/old" else self.path)
            body = made.body if status == 200 else b""
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Publisher)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_address[1]}/api.json"
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


def window(folder: Path) -> int:
    """The window of gpt-4o, as far as is known: 5,000 with the published catalogue."""
    return Catalogue(folder).completed(ModelCard("gpt-4o", "openai")).context


def kept(folder: Path, fetched: float, tag: str = "") -> None:
    """A catalogue that was fetched at this time."""
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(fetched))
    content: dict[str, Any] = {"database": {"providers": {}}, "last_refresh": when, "etag": tag}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(json.dumps(content))


@requirement("models:catalogue:refresh")
def test_the_catalogue_is_fetched_when_asked_for(site: Site, tmp_path: Path) -> None:
    """If-None-Match; what is there stays when it fails."""
    env = {refresh.URL_VARIABLE: site.url}

    def fetch() -> tuple[int, str]:
        done = run_command("models", "refresh", home=tmp_path, env=env)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stderr

    published, site.body = site.body, b"<html>"
    assert fetch()[0] == 1
    assert not (tmp_path / ".cagent" / FILE).exists()
    site.body = published
    assert fetch() == (0, "the catalogue has 1 models of 1 providers\n")
    assert window(tmp_path / ".cagent") == 5000
    assert fetch() == (0, "the catalogue is as new as can be\n")
    env[refresh.URL_VARIABLE] = "http://127.0.0.1:9/"
    status, said = fetch()
    assert status == 1 and "the one that is here stays" in said
    env[refresh.URL_VARIABLE] = "file:///etc/passwd"
    assert "is no http(s) address" in fetch()[1]
    assert window(tmp_path / ".cagent") == 5000


@requirement("models:catalogue:refresh")
@pytest.mark.anyio
async def test_redirects_are_followed_not_for_ever(site: Site, tmp_path: Path) -> None:
    """A mirror may have moved."""
    async with open_http() as http:
        said = await refresh.refresh(tmp_path, http, site.url.replace("api.json", "old"))
        assert said == "the catalogue has 1 models of 1 providers"
        with pytest.raises(refresh.ConfigError, match="from one address to the next"):
            await refresh.refresh(tmp_path, http, site.url.replace("api.json", "round"))


@requirement("models:catalogue:daily")
@pytest.mark.anyio
@pytest.mark.parametrize(
    ("age", "asked"), [(None, 1), (25 * 3600, 1), (-3600, 1), (23 * 3600, 0)], ids=str
)
async def test_it_is_fetched_anew_after_a_day(
    age: float | None, asked: int, site: Site, tmp_path: Path
) -> None:
    """agent-file.md §3.5: refresh after 24 h."""
    if age is not None:
        kept(tmp_path, time.time() - age)
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.Event().wait()

    async with open_http() as http:
        with anyio.fail_after(10):
            keeping = refresh.refreshing(tmp_path, http, site.url, start_wait=10, sleep=sleep)
            async with keeping:
                assert len(site.asked) == asked
                while not waits:
                    await anyio.lowlevel.checkpoint()
    assert waits[0] == pytest.approx(refresh.FRESH if asked else 3600, abs=60)
    assert (window(tmp_path) == 5000) is bool(asked)


@requirement("models:catalogue:daily")
@pytest.mark.anyio
async def test_what_failed_is_tried_again_and_what_is_old_stays(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """agent-file.md §3.5: on failure the stale one; online again, it comes."""
    kept(tmp_path, time.time() - 48 * 3600, tag="old")
    published, site.body = site.body, b"<html>"
    waits: list[float] = []
    fetched = asyncio.Event()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        site.body = published
        if len(waits) == 2:
            fetched.set()
            await asyncio.Event().wait()

    async with open_http() as http:
        with anyio.fail_after(10):
            keeping = refresh.refreshing(tmp_path, http, site.url, start_wait=10, sleep=sleep)
            async with keeping:
                await fetched.wait()
    assert waits == [refresh.RETRY, refresh.FRESH]
    assert [tag for _, tag in site.asked] == ["old", "old"]
    assert "is no catalogue" in caplog.text
    assert window(tmp_path) == 5000


@requirement("models:catalogue:daily")
@pytest.mark.anyio
async def test_a_start_does_not_wait_for_a_site_that_says_nothing(tmp_path: Path) -> None:
    """Offline starts stay quick, and leaving waits for nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        async with open_http() as http:
            with anyio.fail_after(10):
                async with refresh.refreshing(tmp_path, http, url, start_wait=0.05):
                    pass
    assert not (tmp_path / FILE).exists()


@requirement("models:catalogue:daily")
def test_a_server_asks_for_it_only_when_told_to(
    site: Site, scripted: Scripted, tmp_path: Path
) -> None:
    """issue 4.5: refreshed when asked to; no start asks the network by itself."""
    file = tmp_path / "agent.yaml"
    file.write_text(agent_yaml(scripted.url, "m"))
    env = {refresh.URL_VARIABLE: site.url}
    with Server(file, home=tmp_path, env=env):
        pass
    assert site.asked == []
    with Server(file, "--refresh-models", home=tmp_path, env=env):
        pass
    assert [path for path, _ in site.asked] == ["/api.json"]
    assert window(tmp_path / ".cagent") == 5000
