"""Which documents a source has now, and what is in each: files, directories and globs of the agent
file, without what is hidden, linked, binary or too large. Asks the disk: call it in a thread."""

from __future__ import annotations

import codecs
import hashlib
import os
import stat
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path

import msgspec

from docker_agent.config.tree import Raw
from docker_agent.tools.filesystem.content import is_binary
from docker_agent.tools.filesystem.handles import explained, open_file
from docker_agent.tools.filesystem.ignore import NOTHING_HIDDEN, Ignore, Patterns, ignore_at
from docker_agent.tools.filesystem.places import Place
from docker_agent.tools.filesystem.work import readable
from docker_agent.tools.rag.gentle import Gentle

MAX_FILES = 20_000
"""Documents of one source; the rest is left out, and the log says so."""

MAX_LOOKED_AT = 200_000
"""Names that one look at the documents of a source may meet."""

MAX_FILE = 8 * 1024 * 1024
"""Bytes of one document; a larger one is left out."""

MAX_ALTERNATIVES = 64
"""Patterns that the braces of one glob may stand for."""

_GIT = ".git"
"""Never holds documents, whether or not `.gitignore` files count."""
_MAGIC = frozenset("*?[{")
_OTHERWISE = "cp1252"
"""What text is that is not UTF-8, as browsers have it: any bytes are letters then."""
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Stamp(msgspec.Struct, frozen=True):
    """What changes when a file does: times in nanoseconds, bytes, inode."""

    modified: int
    changed: int
    size: int
    inode: int


class Document(msgspec.Struct, frozen=True):
    """A file of a source: where it is, what answers call it, how it was when it was met."""

    place: Place
    shown: str
    stamp: Stamp


class Found(msgspec.Struct, frozen=True):
    """One look: the documents by their real paths, and why some are missing (empty: none are)."""

    documents: dict[str, Document]
    limited: str = ""


class Text(msgspec.Struct, frozen=True):
    """What is in a document; `problem` says why there is nothing to index."""

    digest: bytes
    text: str = ""
    problem: str = ""


class Doc(msgspec.Struct, frozen=True):
    """One entry of `docs`: a directory or file `path`, and below it only what fits `patterns`
    (none: all of it). `depth` bounds how deep a pattern reaches; 0: no bound."""

    at: Raw
    path: Path
    patterns: tuple[str, ...] = ()
    depth: int = 0


class Docs:
    """The documents of a source, seen from `base`, which the paths that are shown begin in.

    `confined` keeps every entry inside `base`, symbolic links followed. `without` are real paths
    that are never documents.
    """

    def __init__(
        self, docs: Sequence[Doc], base: Path, *, vcs: bool, without: Collection[str] = ()
    ) -> None:
        self._docs = tuple(docs)
        self._base = Path(os.path.realpath(base))
        self._vcs = vcs
        self._without = frozenset(without)

    def look(self, gentle: Gentle) -> Found:
        """What there is now. What cannot be read is passed over."""
        found: dict[str, Document] = {}
        limited = ""
        met = 0
        for doc in self._docs:
            for document in self._of(doc):
                gentle.breathe()
                met += 1
                if met > MAX_LOOKED_AT:
                    return Found(found, f"there are more than {MAX_LOOKED_AT:,} files to look at")
                if document is None or document.place.real in self._without:
                    continue
                if len(found) >= MAX_FILES and document.place.real not in found:
                    limited = f"only the first {MAX_FILES:,} files are indexed"
                    continue
                found.setdefault(document.place.real, document)
        return Found(found, limited)

    def empty(self) -> Iterator[str]:
        """For each entry that leads nowhere now, a sentence about it."""
        for doc in self._docs:
            real = Path(os.path.realpath(doc.path))
            if not real.exists():
                yield str(doc.at.error(f"there is no {doc.path}"))
            elif real.is_dir() and self._vcs and ignore_at(_root(real))[1]:
                hidden = "is hidden by a .gitignore; 'respect_vcs: false' shows it"
                yield str(doc.at.error(hidden))

    def _of(self, doc: Doc) -> Iterator[Document | None]:
        """The documents of one entry; None for a name that is none."""
        real = Path(os.path.realpath(doc.path))
        if real.is_dir():
            yield from self._below(doc, _root(real))
        elif not doc.patterns and real.name:
            yield self._document(Place("", str(real.parent), (real.name,)), Path(real.name))

    def _below(self, doc: Doc, top: Place) -> Iterator[Document | None]:
        patterns = [Patterns([f"/{pattern}"]) for pattern in doc.patterns]
        ignore, hidden = ignore_at(top) if self._vcs else (NOTHING_HIDDEN, False)
        waiting = [] if hidden else [(top, ignore, not patterns)]
        while waiting:
            here, ignore, whole = waiting.pop()
            below: list[tuple[Place, Ignore, bool]] = []
            for entry in readable(here, ignore):
                if entry.name == _GIT:
                    continue
                place = here.child(entry.name)
                directory = entry.kind == "directory"
                path = "/".join(place.parts)
                fits = whole or any(each.verdict(path, directory=directory) for each in patterns)
                if directory and (fits or not doc.depth or len(place.parts) < doc.depth):
                    below.append((place, ignore.entering(place), fits))
                kept = fits and entry.kind == "file"
                yield self._document(place, Path(Path(top.root).name, path)) if kept else None
            waiting += reversed(below)

    def _document(self, place: Place, otherwise: Path) -> Document | None:
        """The document at a place; `otherwise` is what it is called where that is not below the
        base."""
        try:
            status = os.lstat(place.real)
        except OSError:
            return None
        if not stat.S_ISREG(status.st_mode):
            return None
        real = Path(place.real)
        inside = real.is_relative_to(self._base)
        shown = real.relative_to(self._base) if inside else otherwise
        stamp = Stamp(status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
        return Document(place, shown.as_posix(), stamp)


def read_doc(at: Raw, text: str, base: Path, *, confined: bool) -> Doc:
    """An entry of `docs`, its variables expanded. Raises `ConfigError` for one that names nothing,
    or leads out of `base` though it is `confined`."""
    if not text.strip() or "\0" in text:
        raise at.error("names no file, directory or glob")
    parts = Path(text).parts
    magic = next((place for place, part in enumerate(parts) if _MAGIC & {*part}), len(parts))
    try:
        path = base / Path(*parts[:magic]).expanduser()
    except RuntimeError as exc:
        raise at.error("there is no home directory") from exc
    if confined and not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(base)):
        raise at.error(
            "leads out of the working directory, and the file is not on this machine; "
            "if you trust it, start the server with an explicit --safety"
        )
    pattern = "/".join(parts[magic:])
    if ".." in parts[magic:]:
        raise at.error("'..' cannot stand behind a wildcard")
    many = at.error(f"its braces stand for more than {MAX_ALTERNATIVES} patterns")
    if pattern.count("{") > MAX_ALTERNATIVES:
        raise many
    patterns = tuple(islice(_alternatives(pattern), MAX_ALTERNATIVES + 1)) if pattern else ()
    if len(patterns) > MAX_ALTERNATIVES:
        raise many
    return Doc(at, path, patterns, 0 if "**" in pattern else len(parts) - magic)


def read_text(document: Document) -> Text:
    """What is in a document now. Raises `ToolError` when it cannot be read."""
    with os.fdopen(open_file(document.place), "rb") as file, explained(document.place):
        if os.fstat(file.fileno()).st_size > MAX_FILE:
            return _TOO_LARGE
        data = file.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        return _TOO_LARGE
    digest = hashlib.sha256(data).digest()
    if data.startswith(_WIDE):
        return Text(digest, _lines(data.decode("utf-16", "replace")))
    if is_binary(data):
        return Text(digest, problem="it is no text")
    try:
        return Text(digest, _lines(data.decode("utf-8-sig")))
    except UnicodeDecodeError:
        return Text(digest, _lines(data.decode(_OTHERWISE, "replace")))


_TOO_LARGE = Text(b"", problem=f"it is larger than {MAX_FILE // 1024 // 1024} MiB")


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


def _root(directory: Path) -> Place:
    return Place("", str(directory))


def _alternatives(pattern: str) -> Iterator[str]:
    """A glob without braces for each alternative: `*.{md,txt}` is `*.md` and `*.txt`."""
    start = pattern.find("{")
    end = _closing(pattern, start) if start >= 0 else -1
    if end < 0:
        yield pattern
        return
    for alternative in _split(pattern[start + 1 : end]):
        yield from _alternatives(pattern[:start] + alternative + pattern[end + 1 :])


def _closing(pattern: str, start: int) -> int:
    depth = 0
    for at in range(start, len(pattern)):
        depth += {"{": 1, "}": -1}.get(pattern[at], 0)
        if depth == 0:
            return at
    return -1


def _split(inside: str) -> list[str]:
    found, depth = [""], 0
    for letter in inside:
        if letter == "," and depth == 0:
            found.append("")
            continue
        depth += {"{": 1, "}": -1}.get(letter, 0)
        found[-1] += letter
    return found
