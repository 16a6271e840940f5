"""Files that are whole or not there."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from docker_agent.disk import write_whole
from tests.requirements import requirement


@requirement("disk:whole")
def test_readers_see_one_file_or_the_other(tmp_path: Path) -> None:
    """Several servers keep the same file: none sees half of what another writes."""
    path = tmp_path / "new" / "kept"
    texts = [letter * 300_000 for letter in (b"a", b"b")]
    write_whole(path, texts[0])

    def write(text: bytes) -> None:
        for _ in range(50):
            write_whole(path, text)

    writers = [threading.Thread(target=write, args=(text,)) for text in texts]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert path.read_bytes() in texts
    assert [each.name for each in path.parent.iterdir()] == ["kept"]
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


@requirement("disk:whole")
def test_what_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    """No disk that is full, and no directory in the way, costs what was there."""
    (tmp_path / "kept").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_whole(tmp_path / "kept", b"new", durable=True)
    assert [each.name for each in tmp_path.iterdir()] == ["kept"]
    write_whole(tmp_path / "file", b"new", mode=0o640)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640
