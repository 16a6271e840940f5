"""Files that are whole or not there, in folders that nobody else reads."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Put `data` at `path` at once, its folders made if need be. Raises `OSError`."""
    folder = path.parent
    for missing in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_whole(path: Path, limit: int) -> bytes:
    """The bytes of a file, one more than `limit` of them when there are more. Raises
    `OSError`."""
    with path.open("rb") as file:
        return file.read(limit + 1)
