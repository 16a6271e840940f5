"""What a model's paths may reach: nothing outside the allowed directories, nothing denied."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from docker_agent.errors import ConfigError, ToolError
from docker_agent.messages import JSON
from docker_agent.tools.filesystem import handles
from docker_agent.tools.filesystem.options import FilesystemOptions
from docker_agent.tools.filesystem.places import Boundary, Place
from tests.requirements import requirement
from tests.tools.filesystem.desk import SECRET, Desk, call
from tests.tools.surroundings import around

pytestmark = pytest.mark.anyio

EDITS: JSON = [{"oldText": SECRET, "newText": "gone"}]
ARGUMENTS: dict[str, Callable[[str], dict[str, JSON]]] = {
    "read_file": lambda path: {"path": path},
    "read_multiple_files": lambda path: {"paths": [path], "json": True},
    "write_file": lambda path: {"path": path, "content": "overwritten"},
    "edit_file": lambda path: {"path": path, "edits": EDITS},
    "list_directory": lambda path: {"path": path},
    "directory_tree": lambda path: {"path": path},
    "search_files_content": lambda path: {"path": path, "query": "SECRET"},
    "create_directory": lambda path: {"paths": [path]},
    "remove_directory": lambda path: {"paths": [path]},
}

ESCAPES = {
    "parent": "../outside/secret.txt",
    "parent directory": "../outside",
    "parent from below": "d/../../outside/secret.txt",
    "parent of what is not there": "nope/../../outside/secret.txt",
    "absolute": "{outside}/secret.txt",
    "absolute, doubled slash": "/{outside}/secret.txt",
    "link to a file": "link.txt",
    "link to a directory": "link/secret.txt",
    "link and parent": "link/../outside/secret.txt",
    "link to a link": "chain/secret.txt",
    "new through a link": "link/new/file.txt",
    "dangling link": "dangling/x",
    "link in a loop": "loop/x",
    "loop and parent": "loop/../../outside/secret.txt",
    "denied": "denied/secret.txt",
    "denied directory": "denied",
    "denied by a link": "to-denied/secret.txt",
    "denied from below": "d/../denied/secret.txt",
    "denied file": "d/private.txt",
    "denied before it is there": "later/x",
    "prefix of the working directory's name": "../work2/secret.txt",
    "home": "~/secret.txt",
    "unknown home": "~nobody-here/secret.txt",
    "NUL": "link.txt\0.png",
    "too long": "d/" * 3000 + "x",
    "too long a name": "n" * 300,
    "half a character": "\udcff/secret.txt",
    "fullwidth dots": "\uff0e\uff0e/outside/secret.txt",
    "fullwidth slash": "..\uff0foutside/secret.txt",
    "empty": "",
    "blank": "  ",
}


def set_up(desk: Desk) -> Desk:
    desk.put({"d/private.txt": SECRET, "denied/secret.txt": SECRET, "denied/d/x": SECRET})
    for link, target in {
        "link": desk.outside,
        "link.txt": desk.outside / "secret.txt",
        "chain": "link",
        "dangling": desk.outside / "nope",
        "loop": "loop",
        "to-denied": "denied",
    }.items():
        (desk.root / link).symlink_to(target)
    twin = desk.root.parent / "work2"
    twin.mkdir()
    (twin / "secret.txt").write_text(SECRET)
    return desk


def contents(directory: Path) -> dict[str, bytes | None]:
    """Everything below `directory`."""
    return {
        str(path): None if path.is_symlink() or path.is_dir() else path.read_bytes()
        for path in sorted(directory.rglob("*"))
    }


CREATES = {"write_file", "create_directory"}
HARMLESS = {"fullwidth dots", "fullwidth slash", "too long a name", "unknown home"}


@requirement("tool:filesystem:confinement")
@pytest.mark.parametrize("tool", ARGUMENTS)
@pytest.mark.parametrize("escape", ESCAPES)
async def test_no_path_leads_out(
    desk: Desk, tool: str, escape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """chat-server.md §6, runtime.md §9.1: without an allow_list the working directory; deny
    wins."""
    monkeypatch.setenv("HOME", str(desk.outside))
    filesystem = set_up(desk).filesystem(
        FilesystemOptions(deny_list=("denied", "d/private.txt", "later"))
    )
    before = contents(desk.root.parent)
    path = ESCAPES[escape].format(outside=desk.outside)
    with anyio.fail_after(10):
        result = await call(filesystem, tool, **ARGUMENTS[tool](path))
    assert SECRET not in result.text
    if escape in HARMLESS and tool in CREATES:
        assert contents(desk.outside) == {str(desk.outside / "secret.txt"): SECRET.encode()}
        return
    assert result.is_error or tool == "read_multiple_files"
    assert contents(desk.root.parent) == before


@requirement("tool:filesystem:confinement")
@pytest.mark.parametrize("tool", ["list_directory", "directory_tree", "search_files_content"])
async def test_what_is_denied_does_not_show_from_above(desk: Desk, tool: str) -> None:
    """runtime.md §9.1: deny wins, in listings too."""
    filesystem = set_up(desk).filesystem(FilesystemOptions(deny_list=("denied", "d/private.txt")))
    arguments: dict[str, JSON] = {"path": "."}
    if tool == "search_files_content":
        arguments["query"] = "SECRET"
    result = await call(filesystem, tool, **arguments)
    assert not result.is_error
    assert SECRET not in result.text
    assert '"denied"' not in result.text
    assert "DIR  denied" not in result.text


@requirement("tool:filesystem:confinement")
async def test_the_errors_say_where_the_border_is(desk: Desk) -> None:
    """runtime.md §9.1: the two texts."""
    filesystem = desk.put({"no/x": ""}).filesystem(FilesystemOptions(deny_list=("no",)))
    outside = await call(filesystem, "read_file", path="../outside/secret.txt")
    denied = await call(filesystem, "read_file", path="no/x")
    assert outside.text == (
        f'path "../outside/secret.txt" is outside the allowed directories ({desk.root})'
    )
    assert denied.text == f'path "no/x" is inside a denied directory ({desk.root / "no"})'


@requirement("tool:filesystem:allow_list")
async def test_an_allow_list_opens_what_it_names(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """runtime.md §9.1: `.`, `~`, `~/x`, `$VAR`, absolute, relative to the working directory."""
    desk.put({"a/x": "A", "b/x": "B"})
    monkeypatch.setenv("HOME", str(desk.outside))
    for entry in ("$OUTSIDE", "~", "~/", str(desk.outside), "../outside"):
        filesystem = desk.filesystem(FilesystemOptions(allow_list=(entry, "a")))
        secret = await call(filesystem, "read_file", path=str(desk.outside / "secret.txt"))
        assert secret.text == SECRET
        assert (await call(filesystem, "read_file", path="a/x")).text == "A"
        assert (await call(filesystem, "read_file", path="b/x")).is_error
    everything = desk.filesystem(FilesystemOptions(allow_list=("/",)))
    assert (await call(everything, "read_file", path="../outside/secret.txt")).text == SECRET


@requirement("tool:filesystem:allow_list")
@pytest.mark.parametrize("entry", ["", "  ", "a\0b", "~nobody-here/x", "$EMPTY", "$UNSET", "file"])
@pytest.mark.parametrize("key", ["allow_list", "deny_list"])
def test_a_list_that_cannot_be_honoured_stops_the_start(desk: Desk, key: str, entry: str) -> None:
    """runtime.md §9.1 R, agent-file.md §2.9: blank or malformed entry = error."""
    desk.put({"file": ""})

    def expand(text: str) -> str:
        if text == "$UNSET":
            raise ConfigError("environment variable UNSET not set")
        return text.replace("$EMPTY", "")

    lists = {"allow": (), "deny": (), key.removesuffix("_list"): (entry,)}
    if (key, entry) == ("deny_list", "file"):
        Boundary(**lists, working_dir=desk.root, expand=expand)
        return
    with pytest.raises(ConfigError):
        Boundary(**lists, working_dir=desk.root, expand=expand)


@requirement("tool:filesystem:allow_list")
def test_an_entry_that_is_not_there_is_told_to_the_log(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    """runtime.md §9.1: a misspelt deny_list must not go unnoticed."""
    with caplog.at_level(logging.WARNING):
        desk.filesystem(FilesystemOptions(deny_list=("secrte",)))
    assert "deny_list: 'secrte' does not exist" in caplog.text
    with pytest.raises(ConfigError, match="is no directory"):
        Boundary((), (), desk.root / "nope", str)


def located(desk: Desk, path: str, deny: tuple[str, ...] = ()) -> Place:
    return Boundary((), deny, desk.root, str).locate(path)


OPENERS: dict[str, Callable[[Place], object]] = {
    "open_file": handles.open_file,
    "open for writing": lambda place: handles.open_file(place, os.O_WRONLY),
    "entries": handles.entries,
    "make_directory": lambda place: handles.make_directory(place.child("new")),
    "remove_directory": handles.remove_directory,
    "is_directory": handles.is_directory,
}


@requirement("tool:filesystem:race")
@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.parametrize("target", ["secret.txt", "sub"])
def test_a_directory_swapped_for_a_link_after_the_check_leads_nowhere(
    desk: Desk, opener: str, target: str
) -> None:
    """runtime.md §9.1: I/O relative to an opened handle closes the race."""
    desk.put({"d/e/secret.txt": "mine", "d/e/sub/x": "mine"})
    (desk.outside / "e/sub").mkdir(parents=True)
    (desk.outside / "e/secret.txt").write_text(SECRET)
    before = contents(desk.outside)
    place = located(desk, f"d/e/{target}")
    (desk.root / "d").rename(desk.root / "moved")
    (desk.root / "d").symlink_to(desk.outside)
    with pytest.raises(ToolError, match=f"^d/e/{target}"):
        OPENERS[opener](place)
    assert contents(desk.outside) == before


@requirement("tool:filesystem:race")
@pytest.mark.parametrize("opener", OPENERS)
def test_a_file_swapped_for_a_link_after_the_check_leads_nowhere(desk: Desk, opener: str) -> None:
    """runtime.md §9.1: the last component is not followed either."""
    desk.put({"a.txt": "mine"})
    before = contents(desk.outside)
    place = located(desk, "a.txt")
    (desk.root / "a.txt").unlink()
    (desk.root / "a.txt").symlink_to(desk.outside / "secret.txt")
    if opener == "is_directory":
        assert handles.is_directory(place) is False
        return
    with pytest.raises(ToolError):
        OPENERS[opener](place)
    assert contents(desk.outside) == before


@requirement("tool:filesystem:race")
def test_a_write_into_a_directory_swapped_for_a_link_leads_nowhere(desk: Desk) -> None:
    """runtime.md §9.1: files are made in the directory whose handle was opened, or not at all."""
    desk.put({"d/a.txt": "mine"})
    place = located(desk, "d")
    (desk.root / "d").rename(desk.root / "moved")
    (desk.root / "d").symlink_to(desk.outside)
    with (
        pytest.raises(ToolError),
        handles.parent_of(place.child("secret.txt"), make=True) as (_, name),
    ):
        pytest.fail(f"reached {name}")


@requirement("tool:filesystem:race")
def test_a_denied_directory_is_known_under_another_spelling(desk: Desk) -> None:
    """runtime.md §9.1: deny wins where a disk takes `Secret` for `secret`; here the directory gets
    its other name by moving."""
    desk.put({"secret/x": SECRET, "secret/d/x": SECRET})
    place = located(desk, "Secret/d", deny=("secret",))
    (desk.root / "secret").rename(desk.root / "Secret")
    for opener in OPENERS.values():
        with pytest.raises(ToolError, match="inside a denied directory"):
            opener(place)


@requirement("tool:filesystem:instructions")
async def test_the_prompt_says_how_to_work_and_what_is_closed(desk: Desk) -> None:
    """runtime.md §9.1: what the instructions must say."""
    desk.put({"a/x": "", "b/x": ""})
    plain = (await desk.filesystem().tools(around())).instructions
    options = FilesystemOptions(allow_list=("a", "$OUTSIDE"), deny_list=("a/x",))
    filesystem = desk.filesystem(options)
    listed = (await filesystem.tools(around())).instructions
    assert plain.startswith("## Filesystem Tools")
    assert "working directory" in plain
    assert "read_multiple_files" in plain
    assert "search_files_content" in plain
    assert str(desk.root / "a") in listed
    assert str(desk.outside) in listed
    assert str(desk.root / "a/x") in listed
    assert await filesystem.tools(around()) is await filesystem.tools(around())


@requirement("tool:filesystem:hints")
async def test_the_nine_tools_say_what_they_do_to_the_world(desk: Desk) -> None:
    """runtime.md §9.1, column RO, and §6.4."""
    specs = (await desk.filesystem().tools(around())).specs
    assert {spec.name: (spec.read_only, spec.destructive, spec.category) for spec in specs} == {
        "read_file": (True, False, "filesystem"),
        "read_multiple_files": (True, False, "filesystem"),
        "write_file": (False, False, "filesystem"),
        "edit_file": (False, False, "filesystem"),
        "list_directory": (True, False, "filesystem"),
        "directory_tree": (True, False, "filesystem"),
        "search_files_content": (True, False, "filesystem"),
        "create_directory": (False, False, "filesystem"),
        "remove_directory": (False, True, "filesystem"),
    }
    assert {spec.name: spec.parameters["required"] for spec in specs} == {
        "read_file": ["path"],
        "read_multiple_files": ["paths"],
        "write_file": ["path", "content"],
        "edit_file": ["path", "edits"],
        "list_directory": ["path"],
        "directory_tree": ["path"],
        "search_files_content": ["path", "query"],
        "create_directory": ["paths"],
        "remove_directory": ["paths"],
    }
