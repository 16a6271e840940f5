"""Pages of the documentation whose code needs a client's own environment. Source: STYLE.md,
docs."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.places import E2E_HOME
from tests.playing import ROOT, Play, blocks
from tests.requirements import requirement
from tests.scripted.model import Scripted

PAGES = [
    page
    for page in sorted((ROOT / "docs").rglob("*.md"))
    if any(note.startswith("environment: ") for block in blocks(page) for note in block.notes)
]


@requirement("style:docs")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_runs_in_the_environments_it_names(
    page: Path, tmp_path: Path, scripted: Scripted
) -> None:
    """STYLE.md, docs: every code block runs."""
    notes = [note for block in blocks(page) for note in block.notes]
    for name in {note.split()[1] for note in notes if note.startswith("environment: ")}:
        if not (E2E_HOME / name / "bin/python").exists():
            pytest.skip(f"{name} is not installed")
    with ExitStack() as running:
        play = Play(tmp_path, scripted, running)
        for block in blocks(page):
            play.block(block)
