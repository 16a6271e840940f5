"""list_directory and directory_tree, and what .gitignore hides from them."""

from __future__ import annotations

import json
import os
import sys

import anyio
import pytest

from docker_agent.tools.filesystem.ignore import Patterns
from docker_agent.tools.filesystem.listing import MAX_ENTRIES, MAX_NODES, TRUNCATED
from docker_agent.tools.filesystem.options import FilesystemOptions
from tests.requirements import requirement
from tests.tools.filesystem.desk import Desk, call

pytestmark = pytest.mark.anyio


@requirement("tool:filesystem:list_directory")
async def test_a_listing_tells_directories_from_files(desk: Desk) -> None:
    """runtime.md §9.1: the lines, by name."""
    desk.put({"b.txt": "", "a/x": "", ".hidden": ""})
    (desk.root / "to-dir").symlink_to("a")
    (desk.root / "to-outside").symlink_to(desk.outside)
    (desk.root / "dangling").symlink_to("nowhere")
    result = await desk.call("list_directory", path=".")
    assert result.text.split("\n") == [
        "FILE .hidden",
        "DIR  a",
        "FILE b.txt",
        "FILE dangling",
        "DIR  to-dir",
        "FILE to-outside",
    ]


@requirement("tool:filesystem:list_directory")
async def test_a_long_listing_is_cut(desk: Desk) -> None:
    """runtime.md §9.1: at most 100 entries and the exact last line."""
    desk.put({f"f{number:03}": "" for number in range(MAX_ENTRIES)})
    whole = (await desk.call("list_directory", path=".")).text.split("\n")
    desk.put({"g": ""})
    cut = (await desk.call("list_directory", path=".")).text.split("\n")
    assert len(whole) == MAX_ENTRIES
    assert cut == [*whole, TRUNCATED]


@pytest.mark.skipif(sys.platform == "darwin", reason="its disks refuse such names")
@requirement("tool:filesystem:list_directory")
async def test_names_that_are_no_text_can_still_be_listed(desk: Desk) -> None:
    """runtime.md §9.1: a name cannot forge a line, nor break the answer."""
    (desk.root / "a\nDIR  b").touch()
    os.close(os.open(os.fsencode(desk.root) + b"/bad\xff", os.O_CREAT))
    result = await desk.call("list_directory", path=".")
    tree = await desk.call("directory_tree", path=".")
    assert result.text == "FILE a\\nDIR  b\nFILE bad?"
    assert len(json.loads(tree.text)["children"]) == 2


@requirement("tool:filesystem:list_directory", "tool:filesystem:directory_tree")
async def test_what_is_no_directory_cannot_be_listed(desk: Desk) -> None:
    """runtime.md §9.1: errors say what is wrong."""
    desk.put({"file": ""})
    for tool in ("list_directory", "directory_tree"):
        missing = await call(desk.filesystem(), tool, path="nope")
        file = await call(desk.filesystem(), tool, path="file")
        assert (missing.text, missing.is_error) == ("nope: not found", True)
        assert file.is_error
        assert "not a directory" in file.text


@requirement("tool:filesystem:directory_tree")
async def test_a_tree_is_json_and_does_not_follow_links(desk: Desk) -> None:
    """runtime.md §9.1: name, type, children."""
    desk.put({"d/e/x": "", "f": ""})
    (desk.root / "d/up").symlink_to("..")
    (desk.root / "empty").mkdir()
    result = await desk.call("directory_tree", path=".")
    deep = {"name": "e", "type": "directory", "children": [{"name": "x", "type": "file"}]}
    assert json.loads(result.text) == {
        "name": "work",
        "type": "directory",
        "children": [
            {"name": "d", "type": "directory", "children": [deep, {"name": "up", "type": "file"}]},
            {"name": "empty", "type": "directory", "children": []},
            {"name": "f", "type": "file"},
        ],
    }


@requirement("tool:filesystem:directory_tree")
async def test_a_large_tree_is_cut_from_below(desk: Desk) -> None:
    """runtime.md §9.1: at most 100 nodes; the upper levels are the useful ones."""
    desk.put({f"{name}/{number}": "" for name in "abc" for number in range(60)})
    tree = json.loads((await desk.call("directory_tree", path=".")).text)
    counts = [len(child["children"]) for child in tree["children"]]
    assert [child["name"] for child in tree["children"]] == ["a", "b", "c"]
    assert 1 + 3 + sum(counts) == MAX_NODES
    assert [child.get("truncated", False) for child in tree["children"]] == [False, True, True]


REPOSITORY = {
    ".git/config": "",
    ".gitignore": "*.log\n/build\nnode_modules/\n!keep.log\n# comment\n\n[broken",
    "a.log": "",
    "keep.log": "",
    "build/x": "",
    "src/build/x": "",
    "src/node_modules/x": "",
    "src/a.log": "",
    "src/.gitignore": "!a.log\nown.txt\n",
    "src/own.txt": "",
    "src/main.py": "",
}


@requirement("tool:filesystem:ignore_vcs")
async def test_what_gitignore_names_is_hidden(desk: Desk) -> None:
    """runtime.md §9.1, ignore_vcs: listings, tree and search; nested files count."""
    desk.put(REPOSITORY)
    top = await desk.call("list_directory", path=".")
    below = await desk.call("list_directory", path="src")
    tree = await desk.call("directory_tree", path=".")
    hidden = await desk.call("list_directory", path="src/node_modules")
    assert top.text.split() == ["FILE", ".gitignore", "FILE", "keep.log", "DIR", "src"]
    assert below.text.split()[1::2] == [".gitignore", "a.log", "build", "main.py"]
    assert "own.txt" not in tree.text
    assert "node_modules" not in tree.text
    assert "main.py" in tree.text
    assert hidden.text == "(1 entries, all hidden: .git, or named in .gitignore)"


@requirement("tool:filesystem:ignore_vcs")
async def test_hidden_files_can_be_read_and_ignore_vcs_can_be_off(desk: Desk) -> None:
    """runtime.md §9.1, ignore_vcs: not in read_file."""
    desk.put({**REPOSITORY, "a.log": "log"})
    everything = await call(
        desk.filesystem(FilesystemOptions(ignore_vcs=False)), "list_directory", path="."
    )
    assert (await desk.call("read_file", path="a.log")).text == "log"
    assert everything.text.split()[1::2] == [
        ".git", ".gitignore", "a.log", "build", "keep.log", "src",
    ]  # fmt: skip


@requirement("tool:filesystem:ignore_vcs")
async def test_the_repository_may_begin_above_the_working_directory(desk: Desk) -> None:
    """runtime.md §9.1, ignore_vcs: as git would see it."""
    above = desk.root.parent
    (above / ".git").mkdir()
    (above / ".gitignore").write_text("/work/out\n")
    desk.put({"out/x": "", "in/x": ""})
    assert (await desk.call("list_directory", path=".")).text == "DIR  in"


@requirement("tool:filesystem:ignore_vcs")
@pytest.mark.parametrize(
    ("lines", "path", "directory", "verdict"),
    [
        (["*.py"], "a/b.py", False, True),
        (["*.py", "!b.py"], "a/b.py", False, False),
        (["/b.py"], "a/b.py", False, None),
        (["a/b.py"], "a/b.py", False, True),
        (["out/"], "out", False, None),
        (["out/"], "out", True, True),
        (["out/**"], "out", True, None),
        (["out/**"], "out/x", False, True),
        (["a/**/z"], "a/b/c/z", True, True),
        (["*"], "a", True, True),
        (["*/"], "a", False, None),
        (["*/"], "a/b", True, True),
        (["[ab].txt"], "b.txt", False, True),
        (["\\#x"], "#x", False, True),
        (["dir "], "dir", True, True),
        (["x" * 1000], "x" * 1000, False, None),
    ],
)
def test_patterns_mean_what_they_mean_to_git(
    lines: list[str], path: str, directory: bool, verdict: bool | None
) -> None:
    """runtime.md §9.1, ignore_vcs: gitignore syntax, the last line that fits decides."""
    assert Patterns(lines).verdict(path, directory=directory) == verdict


@requirement("tool:filesystem:patterns")
async def test_a_pattern_that_takes_for_ever_is_passed_over(desk: Desk) -> None:
    """runtime.md §9.1 R: a model may write .gitignore, and must not stop the server with it."""
    desk.put({".gitignore": "*a" * 40 + "*b\n*.log\n", "a" * 200: "", "x.log": ""})
    with anyio.fail_after(30):
        result = await desk.call("list_directory", path=".")
    assert result.text.split()[1::2] == [".gitignore", "a" * 200]
