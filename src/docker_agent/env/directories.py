"""Where configuration, data and downloads are kept."""

from __future__ import annotations

import logging
import sys
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path

import msgspec

from docker_agent.errors import ConfigError

log = logging.getLogger(__name__)

_NAME = "cagent"


class Directories(msgspec.Struct, frozen=True):
    """The three folders; none is created before something is put there (`private`).

    Source: agent-file.md §7.1.
    """

    config: Path
    data: Path
    cache: Path

    @classmethod
    def chosen(
        cls,
        environ: Mapping[str, str],
        *,
        config: str | None = None,
        data: str | None = None,
        cache: str | None = None,
        platform: str = sys.platform,
    ) -> Directories:
        """The folders that flags name, else those below the home directory, else, without a home,
        below the system's temporary directory."""
        home = environ.get("HOME") or (environ.get("USERPROFILE") if platform == "win32" else None)
        if home:
            root = Path(home)
            defaults = cls(
                root / ".config" / _NAME, root / f".{_NAME}", _cache(environ, root, platform)
            )
        else:
            root = Path(tempfile.gettempdir())
            defaults = cls(root / f".{_NAME}-config", root / f".{_NAME}", root / f".{_NAME}-cache")
        return cls(
            config=Path(config).absolute() if config else defaults.config,
            data=Path(data).absolute() if data else defaults.data,
            cache=Path(cache).absolute() if cache else defaults.cache,
        )


def private(directory: Path) -> Path:
    """`directory`, made with its missing parents if need be, readable by nobody else.

    Raises `ConfigError` when it cannot be made.
    """
    try:
        for missing in reversed(
            [each for each in (directory, *directory.parents) if not each.exists()]
        ):
            missing.mkdir(mode=0o700, exist_ok=True)
        if not directory.is_dir():
            raise ConfigError(f"{directory} is no directory")
    except OSError as exc:
        raise ConfigError(f"{directory}: cannot be made: {exc.strerror or exc}") from exc
    return directory


def installation_id(config: Path) -> str:
    """What tells this installation from others: a random name, made at the first call and kept
    below the configuration directory; where nothing can be kept, another one each time."""
    path = config / "user-uuid"
    made = str(uuid.uuid4())
    try:
        if kept := path.read_text().strip() if path.exists() else "":
            return kept
        private(config)
        path.write_text(made)
        path.chmod(0o600)
    except (OSError, UnicodeDecodeError, ConfigError) as exc:
        log.info("%s cannot be kept: %s", path, exc)
    return made


def _cache(environ: Mapping[str, str], home: Path, platform: str) -> Path:
    if platform == "darwin":
        return home / "Library" / "Caches" / _NAME
    named = Path(environ.get("XDG_CACHE_HOME", ""))
    return (named if named.is_absolute() else home / ".cache") / _NAME
