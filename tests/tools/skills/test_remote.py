"""Skills of a web server: the index, the copies, what is refused. Source: runtime.md §13.2."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from docker_agent.errors import ToolError
from docker_agent.tools.skills.remote import MAX_FILE, Shelf, fetch_skills
from docker_agent.tools.web import open_web
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

SKILL = "---\nname: other\ndescription: About pdf.\n---\nDo it."


class Site:
    """A web server on loopback: `pages` by path, what was `asked`."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[str] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                status, headers, body = site.pages.get(self.path, (404, {}, b"nothing"))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def put(self, path: str, body: str | bytes, status: int = 200, **headers: str) -> None:
        """A page below `/.well-known/skills/`."""
        data = body.encode() if isinstance(body, str) else body
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.pages[f"/.well-known/skills/{path}"] = (status, named, data)

    def index(self, *skills: dict[str, object]) -> None:
        """The list of skills."""
        self.put("index.json", json.dumps({"skills": list(skills)}))


@pytest.fixture
def site() -> Generator[Site]:
    """A server that runs for one test."""
    found = Site()
    thread = threading.Thread(target=found.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    found.server.shutdown()
    thread.join()
    found.server.server_close()


@requirement("skills:remote")
async def test_a_server_lists_skills_and_files(site: Site, tmp_path: Path) -> None:
    """runtime.md §13.2: index, files, the name of the index counts."""
    site.index({"name": "pdf", "description": "d", "files": ["SKILL.md", "forms/a.md"]})
    site.put("pdf/SKILL.md", SKILL + "\n!`date`\n")
    site.put("pdf/forms/a.md", "form")
    async with open_web(allow_private_ips=True) as web:
        skills = await fetch_skills(f"{site.url}/", Shelf(web, tmp_path))
        assert {name: skill.head.description for name, skill in skills.items()} == {
            "pdf": "About pdf."
        }
        assert skills["pdf"].files == ("forms/a.md",)
        assert await skills["pdf"].texts.body() == "Do it.\n!`date`"
        assert await skills["pdf"].texts.file("forms/a.md") == "form"
        for path in ("b.md", "../../secret", "SKILL.md/.."):
            with pytest.raises(ToolError, match="no file"):
                await skills["pdf"].texts.file(path)


@requirement("skills:remote")
async def test_copies_are_fresh_for_as_long_as_the_server_says(site: Site, tmp_path: Path) -> None:
    """runtime.md §13.2: Cache-Control, one hour when nothing is said; stale ones when offline."""
    now = [1_000.0]
    site.index()
    site.put("a", "1")
    site.put("b", "1", cache_control="private, max-age=60")
    site.put("c", "1", cache_control="no-cache")
    base = f"{site.url}/.well-known/skills"

    async def texts() -> str:
        async with open_web(allow_private_ips=True) as web:
            shelf = Shelf(web, tmp_path, lambda: now[0])
            return "".join([await shelf.text(f"{base}/{name}") for name in "abc"])

    assert await texts() == "111"
    for name in "abc":
        site.put(name, "2", cache_control="max-age=60" if name == "b" else "")
    assert await texts() == "112"
    now[0] += 61
    assert await texts() == "122"
    now[0] += 3600
    site.pages.clear()
    assert await texts() == "122"


@requirement("skills:remote")
async def test_what_a_server_must_not_do_is_refused(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """runtime.md §13.2: same-origin paths only, 1 MB each; a broken skill alone is left out."""
    site.index(
        {"name": "../up", "files": ["SKILL.md"]},
        {"name": "far", "files": ["SKILL.md", "http://other/x"]},
        {"name": "moved", "files": ["SKILL.md"]},
        {"name": "large", "files": ["SKILL.md"]},
        {"name": "gone", "files": ["SKILL.md"]},
        {"name": "broken", "files": ["SKILL.md"]},
        {"name": "good", "files": ["SKILL.md"]},
    )
    site.put("moved/SKILL.md", "", 302, location="http://127.0.0.2:1/x")
    site.put("large/SKILL.md", SKILL + "x" * MAX_FILE)
    site.put("broken/SKILL.md", "no front matter")
    site.put("good/SKILL.md", SKILL)
    async with open_web(allow_private_ips=True) as web:
        shelf = Shelf(web, tmp_path)
        assert set(await fetch_skills(site.url, shelf)) == {"good"}
        for said in (
            "'../up' has names",
            "'far' has names",
            "moved is left out: http://",
            "leads to another server",
            "is larger than",
            "404",
            "it must begin with front matter",
        ):
            assert said in caplog.text
        site.put("index.json", "[1]")
        with pytest.raises(ToolError, match="no list of skills"):
            await fetch_skills(site.url, Shelf(web, tmp_path / "other"))
        with pytest.raises(ToolError, match="404"):
            await fetch_skills(f"{site.url}/elsewhere", shelf)
    async with open_web() as web:
        with pytest.raises(ToolError, match="not a public address"):
            await fetch_skills(site.url, Shelf(web, tmp_path / "third"))
