"""The documentation is true: its blocks run, its tables are whole, its links lead somewhere.
Source: STYLE.md, docs."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from docker_agent.config.agent_file import Agent, AgentFile
from docker_agent.config.marks import DERIVED
from docker_agent.config.model import Model
from tests.playing import LIMIT, ROOT, Play, blocks
from tests.requirements import requirement
from tests.scripted.model import Scripted

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@requirement("style:docs")
@each_page
def test_every_block_of_a_page_runs(page: Path, tmp_path: Path, scripted: Scripted) -> None:
    """STYLE.md, docs: every code block runs."""
    with ExitStack() as running:
        play = Play(tmp_path, scripted, running)
        for block in blocks(page):
            play.block(block)


@requirement("style:docs")
def test_the_generated_parts_are_fresh() -> None:
    """STYLE.md, docs: flags, endpoints, errors, providers and tools come from the code."""
    command = [sys.executable, str(ROOT / "scripts/docs.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert (done.returncode, done.stdout) == (0, ""), f"{done.stdout}{done.stderr}run `make docs`"


@requirement("style:docs")
@pytest.mark.parametrize(
    ("heading", "kind"), [("Top level", AgentFile), ("An agent", Agent), ("A model", Model)]
)
def test_the_reference_names_every_key(heading: str, kind: type[msgspec.Struct]) -> None:
    """STYLE.md, docs: reference is for looking up, so nothing may be missing."""
    page = (ROOT / "docs/reference/agent-file.md").read_text()
    section = page.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line.split(" | ")[0] for line in section.splitlines() if line.startswith("| `")]
    assert {key for row in rows for key in re.findall("`(.*?)`", row)} == set(_keys(kind))


def _keys(kind: type[msgspec.Struct]) -> Iterator[str]:
    for field in msgspec.structs.fields(kind):
        if field.name != "source" and DERIVED not in getattr(field.type, "__metadata__", ()):
            yield field.encode_name


@requirement("style:docs")
def test_the_readme_leads_to_every_page() -> None:
    """STYLE.md, docs: a page that nobody finds is not written."""
    readme = (ROOT / "README.md").read_text()
    pages = [str(page.relative_to(ROOT)) for page in (ROOT / "docs").rglob("*.md")]
    assert [page for page in pages if f"]({page})" not in readme] == []


@requirement("style:docs")
@each_page
def test_what_a_page_points_to_exists(page: Path) -> None:
    """STYLE.md, docs: links, source files and tests that a page names."""
    text = page.read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []
    named = re.findall(r"`([a-z_/]+\.py)`", text)
    places = (ROOT, ROOT / "src/docker_agent")
    assert [name for name in named if not any((place / name).exists() for place in places)] == []
    tests = "".join(path.read_text() for path in (ROOT / "tests").glob("test_*.py"))
    assert [name for name in re.findall(r"`(test_\w+)`", text) if f"def {name}" not in tests] == []
