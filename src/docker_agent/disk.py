"""Files that are whole or not there, readable by nobody else unless it is said."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, data: bytes, *, mode: int = 0o600, durable: bool = False) -> None:
    """Put `data` at `path` at once, its folders made if need be, so that readers and other servers
    see the old file or the new one. `durable` waits until the disk has it. Raises `OSError`."""
    folder = path.parent
    for missing in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=folder, prefix=f".{path.name[:100]}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            os.fchmod(handle, mode)
            if durable:
                file.flush()
                os.fsync(handle)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def read_whole(path: Path, limit: int) -> bytes:
    """The bytes of a file, one more than `limit` of them when there are more. Raises
    `OSError`."""
    with path.open("rb") as file:
        return file.read(limit + 1)
