"""Which documents a source has: paths, globs, what is hidden, what is no text."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from docker_agent.config.decode import decode
from docker_agent.errors import ConfigError
from docker_agent.tools.filesystem.work import Stop
from docker_agent.tools.rag import files
from docker_agent.tools.rag.files import MAX_FILE, Docs, read_doc, read_text
from docker_agent.tools.rag.gentle import Gentle
from tests.requirements import requirement
from tests.tools.rag.shelf import asked, paths, put, shelf, source

pytestmark = pytest.mark.anyio
AT = decode(b"{}", "agent.yaml")


def looked(base: Path, *docs: str, vcs: bool = True, confined: bool = False) -> list[str]:
    """What answers call the documents of these entries, in order."""
    read = [read_doc(AT, doc, base, confined=confined) for doc in docs]
    found = Docs(read, base, vcs=vcs).look(Gentle(Stop()))
    return [document.shown for document in found.documents.values()]


@requirement("rag:docs")
@pytest.mark.parametrize(
    ("doc", "found"),
    [
        ("docs", ["docs/a.md", "docs/b.txt", "docs/deep/c.md", "docs/deep/er/d.md"]),
        ("./docs/*.md", ["docs/a.md"]),
        ("docs/*", ["docs/a.md", "docs/b.txt", "docs/deep/c.md", "docs/deep/er/d.md"]),
        ("docs/**/*.md", ["docs/a.md", "docs/deep/c.md", "docs/deep/er/d.md"]),
        ("*/deep/*.md", ["docs/deep/c.md"]),
        ("docs/?.{md,txt}", ["docs/a.md", "docs/b.txt"]),
        ("docs/[ab].md", ["docs/a.md"]),
        ("docs/a.md", ["docs/a.md"]),
        ("nothing/here", []),
    ],
)
def test_entries_are_files_directories_and_globs(
    tmp_path: Path, doc: str, found: list[str]
) -> None:
    """runtime.md §14.1 and §14.2: directories recursively; relative to the file."""
    put(
        tmp_path,
        {f"docs/{name}": "x" for name in ("a.md", "b.txt", "deep/c.md", "deep/er/d.md")},
    )
    assert looked(tmp_path, doc) == found
    assert looked(tmp_path, str(tmp_path / doc)) == found


@requirement("rag:docs:hidden")
def test_what_version_control_ignores_is_no_document(tmp_path: Path) -> None:
    """runtime.md §14.2: VCS-ignored files are skipped, unless `respect_vcs` is false."""
    put(
        tmp_path,
        {
            "docs/.git/config": "x",
            "docs/.gitignore": "*.log\nbuild/\n",
            "docs/a.md": "x",
            "docs/a.log": "x",
            "docs/build/b.md": "x",
            "docs/sub/.gitignore": "!kept.log",
            "docs/sub/kept.log": "x",
        },
    )
    shown = ["docs/.gitignore", "docs/a.md", "docs/sub/.gitignore", "docs/sub/kept.log"]
    assert looked(tmp_path, "docs") == shown
    everything = looked(tmp_path, "docs", vcs=False)
    assert {"docs/a.log", "docs/build/b.md"} < {*everything}
    assert not [path for path in everything if ".git/" in path]


@requirement("rag:docs:outside")
def test_links_lead_nowhere_and_paths_show_nothing_of_the_server(tmp_path: Path) -> None:
    """runtime.md §14.4: paths relative to the docs root."""
    base, other = tmp_path / "base", tmp_path / "other"
    put(tmp_path, {"base/docs/a.md": "x", "other/secret.txt": "x", "other/in/b.md": "x"})
    (base / "docs/link.txt").symlink_to(other / "secret.txt")
    (base / "docs/linked").symlink_to(other)
    os.mkfifo(base / "docs/pipe")
    assert looked(base, "docs", "docs/**") == ["docs/a.md"]
    assert looked(base, "../other") == ["other/secret.txt", "other/in/b.md"]
    assert looked(base, str(other / "secret.txt")) == ["secret.txt"]


@requirement("rag:docs:outside")
@pytest.mark.parametrize("doc", ["../other", "{tmp}/other", "out", "out/*.md", "~"])
def test_a_file_from_elsewhere_reads_the_working_directory_alone(tmp_path: Path, doc: str) -> None:
    """chat-server.md §6: lists in them open nothing."""
    base = tmp_path / "base"
    put(tmp_path, {"base/docs/a.md": "x", "other/b.md": "x"})
    (base / "out").symlink_to(tmp_path / "other")
    assert looked(base, "docs", confined=True) == ["docs/a.md"]
    with pytest.raises(ConfigError, match="leads out of the working directory"):
        looked(base, doc.replace("{tmp}", str(tmp_path)), confined=True)


@requirement("rag:docs:text")
@pytest.mark.parametrize(
    ("data", "text", "problem"),
    [
        (b"\xef\xbb\xbfone\r\ntwo\rthree", "one\ntwo\nthree", ""),
        ("größe".encode("utf-16"), "größe", ""),
        ("größe".encode("latin-1"), "größe", ""),
        (b"PK\x03\x04\x00\x00", "", "it is no text"),
        (b"%PDF-1.7 text", "", "it is no text"),
        (b"", "", ""),
    ],
)
def test_text_is_read_whatever_its_encoding(
    tmp_path: Path, data: bytes, text: str, problem: str
) -> None:
    """runtime.md §14.2: binary files are skipped."""
    put(tmp_path, {"docs/a": data})
    docs = Docs([read_doc(AT, "docs", tmp_path, confined=False)], tmp_path, vcs=True)
    (document,) = docs.look(Gentle(Stop())).documents.values()
    found = read_text(document)
    assert (found.text, found.problem) == (text, problem)


@requirement("rag:limits")
def test_huge_files_and_endless_folders_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STYLE.md: limits on every size; what is left out is said."""
    put(tmp_path, {"docs/huge.txt": "", **{f"docs/{n}.txt": "x" for n in range(9)}})
    os.truncate(tmp_path / "docs/huge.txt", MAX_FILE + 1)
    docs = Docs([read_doc(AT, "docs", tmp_path, confined=False)], tmp_path, vcs=True)
    found = docs.look(Gentle(Stop()))
    huge = next(each for each in found.documents.values() if each.shown == "docs/huge.txt")
    assert read_text(huge).problem == "it is larger than 8 MiB"
    monkeypatch.setattr(files, "MAX_FILES", 4)
    found = docs.look(Gentle(Stop()))
    assert (len(found.documents), found.limited) == (4, "only the first 4 files are indexed")
    monkeypatch.setattr(files, "MAX_LOOKED_AT", 2)
    assert docs.look(Gentle(Stop())).limited == "there are more than 2 files to look at"


@requirement("rag:docs")
@pytest.mark.parametrize(
    ("docs", "said"),
    [
        ([""], "rag_config.docs[0]: names no file, directory or glob"),
        (["a", "docs/*/../x"], "docs[1]: '..' cannot stand behind a wildcard"),
        (["{a,b,c}" * 4], "docs[0]: its braces stand for more than 64 patterns"),
        (["{a}" * 20_000], "docs[0]: its braces stand for more than 64 patterns"),
        (["$NOBODY/x"], "docs[0]: environment variable NOBODY not set"),
        ([], "strategies[0]: has no documents"),
    ],
)
async def test_an_entry_that_means_nothing_is_an_error_with_its_place(
    tmp_path: Path, docs: list[str], said: str
) -> None:
    """agent-file.md §8: the key, and the line."""
    with pytest.raises(ConfigError) as refused:
        async with shelf(tmp_path, source(docs=docs)):
            pass
    assert said in str(refused.value)
    assert str(refused.value).startswith("agent.yaml:")


@requirement("rag:docs")
async def test_strategies_have_documents_of_their_own_beside_the_shared(tmp_path: Path) -> None:
    """agent-file.md §2.11: `docs` of a strategy are added; variables are expanded."""
    put(tmp_path, {"docs/a.md": "walrus", "more/b.md": "walrus tusk", "c/c.md": "walrus"})
    first: dict[str, Any] = {"type": "bm25", "docs": ["more"]}
    async with shelf(tmp_path, source(first, docs=["./$PLACE"])) as toolset:
        assert sorted(await paths(toolset, "walrus")) == ["docs/a.md", "more/b.md"]
        assert [each["content"] for each in await asked(toolset, "tusk")] == ["walrus tusk"]
