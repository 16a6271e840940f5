"""Results too large for a model, kept for those they belong to. Source: runtime.md §5.6."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from docker_agent.errors import ConfigError, ToolError
from docker_agent.hooks.large import MAX_BYTES, MAX_LINES, ending, is_large, shortened
from docker_agent.hooks.large_results import (
    LOCK,
    PREFIX,
    LargeResults,
    open_large_results,
)
from docker_agent.hooks.port import CUT_RESULTS
from docker_agent.tools.filesystem.options import FilesystemOptions
from docker_agent.tools.filesystem.toolset import Filesystem
from docker_agent.tools.port import CallContext
from tests.requirements import requirement
from tests.tools.surroundings import context

pytestmark = pytest.mark.anyio

LARGE = "".join(f"line {number}\n" for number in range(30_000))


def path_in(notice: str) -> Path:
    """The file that a notice names."""
    return Path(notice.partition("in the file ")[2].partition(";")[0])


def files(root: Path) -> list[Path]:
    """All files below a folder."""
    return [path for path in root.rglob("*") if path.is_file()]


@requirement("results:size")
@pytest.mark.parametrize("text", [LARGE, "x" * (MAX_BYTES + 1), "é\n" * 200_000, "\n" * MAX_LINES])
def test_a_notice_and_the_end_fit_the_limits(text: str) -> None:
    """runtime.md §20.2 row 22: at most 50 KiB and 2000 lines, all told."""
    found = ending(text, "/tmp/results/tool-result-1.txt", "read_file")
    assert is_large(text) and not is_large(found)
    assert "/tmp/results/tool-result-1.txt" in found and "`read_file`" in found
    assert found.endswith(text[-1000:]) or text.endswith(found[-500:])


@requirement("results:kept")
async def test_a_large_result_goes_to_a_private_file() -> None:
    """The whole text, readable by this account alone, in a folder whose name nobody guesses."""
    async with open_large_results() as results:
        shown = await results.fit("a", LARGE, "read_file")
        path = path_in(shown)
        assert path.read_text() == LARGE and shown.endswith(LARGE[-1000:])
        assert str(path.parent) == results.directory("a") != results.directory("b")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        for folder in (path.parent, path.parent.parent):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert path.parent.parent.name.startswith(PREFIX)
        assert await results.fit("a", "small", "read_file") == "small"
        assert await results.fit("a", LARGE, "") == shortened(LARGE)
        assert len(files(path.parent)) == 1
    assert not path.parent.parent.exists()
    assert await CUT_RESULTS.fit("a", LARGE, "read_file") == shortened(LARGE)
    assert CUT_RESULTS.directory("a") == ""


@requirement("results:bounds")
async def test_folders_go_with_their_owners_and_when_unused(tmp_path: Path) -> None:
    """Forgotten at once, or after the time that conversations are kept."""
    clock = [0.0]
    results = LargeResults(tmp_path / "r", 10.0, now=lambda: clock[0])
    paths = {owner: path_in(await results.fit(owner, LARGE, "r")) for owner in "abc"}
    await results.forget("a")
    await results.forget("nobody")
    assert not paths["a"].parent.exists() and paths["b"].exists()
    clock[0] = 8.0
    await results.touch("b")
    clock[0] = 16.0
    await results.touch("somebody")
    assert paths["b"].exists() and not paths["c"].parent.exists()


@requirement("results:bounds")
async def test_all_folders_together_are_bounded(tmp_path: Path) -> None:
    """One conversation's oldest files go first; then the conversation unused longest."""
    size = len(LARGE)
    results = LargeResults(tmp_path / "r", total=3 * size, share=2 * size)
    first = path_in(await results.fit("a", LARGE, "r"))
    second = path_in(await results.fit("a", LARGE, "r"))
    third = path_in(await results.fit("a", LARGE, "r"))
    assert not first.exists() and second.exists() and third.exists()
    other = path_in(await results.fit("b", LARGE, "r"))
    assert other.exists() and second.exists()
    await results.touch("a")
    last = path_in(await results.fit("c", LARGE, "r"))
    assert last.exists() and not other.exists() and second.exists()
    assert await results.fit("d", LARGE * 3, "r") == shortened(LARGE * 3)


@requirement("results:bounds")
async def test_a_disk_that_cannot_keep_it_costs_no_answer(tmp_path: Path) -> None:
    """Head and end are shown, and the log says why."""
    (tmp_path / "file").write_text("")
    results = LargeResults(tmp_path / "file" / "below")
    assert await results.fit("a", LARGE, "r") == shortened(LARGE)


@requirement("results:bounds")
async def test_what_a_killed_server_left_behind_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that a living server holds stays, and so does what is not ours to judge."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    left, strange = tmp_path / f"{PREFIX}left", tmp_path / f"{PREFIX}strange"
    for folder in (left, strange):
        folder.mkdir()
    (left / LOCK).write_text("")
    (left / "result").write_text("x")
    (tmp_path / f"{PREFIX}link").symlink_to(left)
    async with open_large_results() as one:
        kept = path_in(await one.fit("a", LARGE, "r"))
        assert not left.exists() and strange.exists()
        async with open_large_results():
            assert kept.exists()
    assert not kept.parent.parent.exists()


@requirement("results:lasting")
async def test_results_outlive_a_server_whose_conversations_do(tmp_path: Path) -> None:
    """Found again under the same names by the next one, and dropped when they were unused for as
    long as conversations are kept, the time between counted."""
    place = tmp_path / "talks.db.results"
    async with open_large_results(100.0, place) as first:
        paths = {owner: path_in(await first.fit(owner, LARGE, "r")) for owner in "ab"}
        await first.fit("run", LARGE, "r")
        await first.forget("run")
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    old = time.time() - 1000
    os.utime(paths["b"].parent, (old, old))
    async with open_large_results(100.0, place) as second:
        assert second.directory("a") == str(paths["a"].parent)
        assert paths["a"].read_text() == LARGE
        await second.touch("a")
        assert not paths["b"].exists() and paths["a"].exists()
        assert len(list(place.iterdir())) == 2 + 1
    with pytest.raises(ConfigError, match=r"file\.results"):
        (tmp_path / "file.results").write_text("")
        async with open_large_results(100.0, tmp_path / "file.results"):
            raise AssertionError


Reach = Callable[[str], CallContext]


@pytest.fixture
def reach(tmp_path: Path) -> tuple[LargeResults, Reach]:
    """Results, and the surroundings of calls of an owner."""
    results = LargeResults(tmp_path / "results" / PREFIX)
    (tmp_path / "results").mkdir()

    def of(owner: str) -> CallContext:
        return msgspec.structs.replace(context(), results=results.directory(owner))

    return results, of


@requirement("results:readable")
async def test_only_its_own_conversation_reads_a_result(
    tmp_path: Path, reach: tuple[LargeResults, Reach]
) -> None:
    """runtime.md §5.6, R: in spite of the confinement; and nobody writes there."""
    results, of = reach
    (tmp_path / "work").mkdir()
    for allow in ((), (str(tmp_path),)):
        disk = Filesystem(FilesystemOptions(allow_list=allow), tmp_path / "work", str, environ={})
        path = str(path_in(await results.fit("mine", LARGE, "read_file")))
        part = {"path": path, "offset": 3, "limit": 1}
        assert (await disk.call("read_file", part, of("mine"))).text == "line 2\n"
        folder = {"path": results.directory("mine"), "query": "line 29999"}
        found = await disk.call("search_files_content", folder, of("mine"))
        assert "line 29999" in found.text
        for name, arguments in (
            ("read_file", {"path": path}),
            ("list_directory", {"path": str(Path(path).parent)}),
            ("search_files_content", folder),
        ):
            other = await disk.call(name, arguments, of("other"))
            assert other.is_error and "not yours" in other.text
        for name, arguments in (
            ("write_file", {"path": path, "content": "x"}),
            ("edit_file", {"path": path, "edits": [{"oldText": "line", "newText": "x"}]}),
            ("write_file", {"path": str(Path(path).parent / "new"), "content": "x"}),
        ):
            try:
                refused = await disk.call(name, arguments, of("mine"))
            except ToolError as exc:
                assert "not yours" in str(exc)
            else:
                assert refused.is_error
        assert (await disk.call("read_file", part, of("mine"))).text == "line 2\n"


@requirement("results:readable")
async def test_a_wide_list_does_not_lead_to_the_results_of_others(
    tmp_path: Path, reach: tuple[LargeResults, Reach]
) -> None:
    """Walking down from above finds nothing; links and dots lead nowhere."""
    results, of = reach
    path = path_in(await results.fit("mine", LARGE, "read_file"))
    disk = Filesystem(FilesystemOptions(allow_list=(str(tmp_path),)), tmp_path, str, environ={})
    (tmp_path / "link").symlink_to(path)
    for owner in ("other", "mine"):
        search = {"path": str(tmp_path), "query": "line 29999"}
        found = await disk.call("search_files_content", search, of(owner))
        assert "line 29999" not in found.text
        tree = await disk.call("directory_tree", {"path": str(tmp_path)}, of(owner))
        assert path.name not in tree.text
    for spelling in (str(tmp_path / "link"), f"{path.parent.parent}/x/../{path.parent.name}"):
        found = await disk.call("read_file", {"path": spelling}, of("other"))
        assert found.is_error
