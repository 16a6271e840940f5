"""Files that an agent file names and that lie beside it: never outside of its directory."""

from __future__ import annotations

import stat
from pathlib import Path, PurePath, PureWindowsPath

from docker_agent.errors import ConfigError

LARGEST = 10 * 1024 * 1024
"""Bytes of an agent file, and of one that lies beside it."""


def read_beside(name: str, directory: Path | None) -> str:
    """The text of the file `name` in `directory`, the one the agent file lies in (None: it came
    from elsewhere).

    Raises `ConfigError` saying what is wrong with the file: a path that leaves the directory, also
    by a symlink, or what is no readable text.
    """
    if directory is None:
        raise ConfigError("cannot be read: only an agent file on this machine has files beside it")
    try:
        path = _inside(name, directory)
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError("is no ordinary file")
        if found.st_size > LARGEST:
            raise ConfigError(f"is larger than {LARGEST} bytes")
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise ConfigError("is no UTF-8 text") from None
    except OSError as exc:
        raise ConfigError(f"cannot be read: {exc.strerror or exc}") from None
    except ValueError:
        raise ConfigError("cannot be read: a path must not hold a NUL character") from None


def _inside(name: str, directory: Path) -> Path:
    given = PurePath(name)
    if given.is_absolute() or PureWindowsPath(name).anchor:
        raise ConfigError("is an absolute path; write one relative to the agent file")
    if ".." in given.parts or ".." in PureWindowsPath(name).parts:
        raise ConfigError("leaves the directory of the agent file")
    root = directory.resolve()
    path = (root / given).resolve()
    if not path.is_relative_to(root):
        raise ConfigError("leads out of the directory of the agent file through a symlink")
    return path
