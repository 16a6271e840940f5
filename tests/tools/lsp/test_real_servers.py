"""Language servers that people use: one that knows symbols, one that knows problems and layout.
Source: runtime.md §9.22."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from docker_agent.tools.lsp.languages import FileTypes
from docker_agent.tools.lsp.several import Several
from docker_agent.tools.lsp.toolset import Lsp
from tests.requirements import requirement
from tests.tools.lsp.opening import JEDI, RUFF, names, opened, text

pytestmark = pytest.mark.anyio

SHAPES = '''class Shape:
    """A thing with an area."""

    def area(self) -> float:
        return 0.0


def total(shapes: list[Shape]) -> float:
    return sum(shape.area() for shape in shapes)
'''
MAIN = """from shapes import Shape, total

x = "ü😀"; print(total([Shape()]))
"""
UGLY = "import os\nx  =  ( 1,2 )\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A little program."""
    (tmp_path / "shapes.py").write_text(SHAPES)
    (tmp_path / "main.py").write_text(MAIN)
    (tmp_path / "ugly.py").write_text(UGLY)
    return tmp_path


@pytest.fixture
async def jedi(folder: Path) -> AsyncGenerator[Lsp]:
    """A server of symbols."""
    async with opened(folder, **JEDI) as toolset:
        yield toolset


@requirement("lsp:real", "lsp:capabilities")
async def test_jedi_knows_symbols_and_renames_them(folder: Path, jedi: Lsp) -> None:
    """Looked up, found, used, listed, renamed in both files, found again."""
    shapes, main = str(folder / "shapes.py"), str(folder / "main.py")
    assert {"lsp_rename", "lsp_references"} <= set(await names(jedi))
    assert {"lsp_format", "lsp_inlay_hints", "lsp_type_hierarchy"}.isdisjoint(await names(jedi))
    assert "jedi-language-server" in await text(jedi, "workspace")
    known = await text(jedi, "hover", file=shapes, line=8, character=6)
    assert "def total(shapes: list[Shape]) -> float" in known
    defined = await text(jedi, "definition", file=main, line=3, character=26)
    assert defined == f"{shapes}:1:7: class Shape:"
    used = (await text(jedi, "references", file=shapes, line=8, character=6)).splitlines()
    assert f"{main}:3:17: {MAIN.splitlines()[2]}" in used and len(used) == 3
    outline = await text(jedi, "document_symbols", file=shapes)
    assert "class Shape" in outline and "\n  4:9 method area" in outline
    assert f"{shapes}:8:5" in await text(jedi, "workspace_symbols", query="total")
    help = await text(jedi, "signature_help", file=main, line=3, character=24)
    assert "total(shapes: list[Shape])" in help
    said = await text(jedi, "rename", file=main, line=3, character=18, new_name="sum_up")
    assert said.startswith("Renamed in 2 files:")
    assert main in said and shapes in said
    assert (folder / "shapes.py").read_text() == SHAPES.replace("total", "sum_up")
    assert (folder / "main.py").read_text() == MAIN.replace("total", "sum_up")
    assert f"{shapes}:8:5" in await text(jedi, "definition", file=main, line=3, character=18)


@requirement("lsp:real", "lsp:fresh", "lsp:diagnostics")
async def test_jedi_sees_problems_of_what_was_just_written(folder: Path, jedi: Lsp) -> None:
    """Sent by the server itself, of the text on disk."""
    file = folder / "main.py"
    assert await text(jedi, "diagnostics", file=str(file)) == "No problems found."
    file.write_text("def f(:\n")
    assert await text(jedi, "diagnostics", file=str(file)) == (
        "1:7 error: SyntaxError: invalid syntax (main.py, line 1) [compile]"
    )
    file.write_text(MAIN)
    assert await text(jedi, "diagnostics", file=str(file)) == "No problems found."


@requirement("lsp:real")
async def test_ruff_finds_problems_fixes_and_formats(folder: Path) -> None:
    """Problems are asked for; fixes are taken by title; a file is formatted."""
    file = folder / "ugly.py"
    async with opened(folder, **RUFF) as ruff:
        assert "`os` imported but unused" in await text(ruff, "diagnostics", file=str(file))
        offered = await text(ruff, "code_actions", file=str(file), start_line=1)
        (title,) = [
            line.partition(". ")[2].removesuffix(" (quickfix)")
            for line in offered.splitlines()
            if "Remove unused import" in line
        ]
        said = await text(ruff, "code_actions", file=str(file), start_line=1, apply=title)
        assert said == f"'{title}' has changed 1 file:\n- {file} (1 edit)"
        assert file.read_text() == "x  =  ( 1,2 )\n"
        assert await text(ruff, "format", file=str(file)) == f"Formatted:\n- {file} (1 edit)"
        assert file.read_text() == "x = (1, 2)\n"
        assert await text(ruff, "diagnostics", file=str(file)) == "No problems found."


@requirement("lsp:real", "lsp:several")
async def test_both_serve_one_agent(folder: Path) -> None:
    """§8.5: each does what it can, and both tell of problems."""
    async with opened(folder, **JEDI) as jedi, opened(folder, **RUFF) as ruff:
        types = FileTypes(["py"])
        both = Several([(jedi, types), (ruff, types)])
        assert {"lsp_rename", "lsp_format"} <= set(await names(both))
        file = str(folder / "ugly.py")
        await text(both, "format", file=file)
        assert "def total" in await text(
            both, "hover", file=str(folder / "shapes.py"), line=8, character=6
        )
        problems = await text(both, "diagnostics", file=file)
        assert problems.startswith("lsp jedi-language-server:\nNo problems found.\n\nlsp ruff:\n")
        assert "`os` imported but unused" in problems
