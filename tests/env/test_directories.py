"""Where configuration, data and downloads are kept."""

from __future__ import annotations

import stat
import tempfile
from pathlib import Path

import pytest

from docker_agent.env.directories import Directories, installation_id, private
from docker_agent.errors import ConfigError
from tests.requirements import requirement

HOME = Path("/home/me")


@requirement("file:7.1:defaults")
@pytest.mark.parametrize(
    ("environ", "platform", "cache"),
    [
        ({}, "linux", "/home/me/.cache/cagent"),
        ({"XDG_CACHE_HOME": "/var/c"}, "linux", "/var/c/cagent"),
        ({"XDG_CACHE_HOME": ""}, "linux", "/home/me/.cache/cagent"),
        ({"XDG_CACHE_HOME": "relative"}, "linux", "/home/me/.cache/cagent"),
        ({"XDG_CACHE_HOME": "/var/c"}, "darwin", "/home/me/Library/Caches/cagent"),
    ],
)
def test_the_folders_lie_below_the_home(environ: dict[str, str], platform: str, cache: str) -> None:
    """agent-file.md §7.1."""
    found = Directories.chosen({"HOME": str(HOME), **environ}, platform=platform)
    assert found == Directories(HOME / ".config/cagent", HOME / ".cagent", Path(cache))


@requirement("file:7.1:flags")
def test_a_flag_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """agent-file.md §7.1: the flags."""
    monkeypatch.chdir(tmp_path)
    found = Directories.chosen({"HOME": str(HOME)}, config="/c", data="d", cache="")
    assert (found.config, found.data) == (Path("/c"), tmp_path / "d")
    assert found.cache == HOME / ".cache/cagent"


@requirement("file:7.1:no-home")
def test_without_a_home_they_lie_below_the_temporary_directory() -> None:
    """agent-file.md §7.1."""
    root = Path(tempfile.gettempdir())
    assert Directories.chosen({}, platform="linux") == Directories(
        root / ".cagent-config", root / ".cagent", root / ".cagent-cache"
    )


@requirement("file:7.1:private")
def test_a_folder_is_made_when_needed_for_nobody_else(tmp_path: Path) -> None:
    """agent-file.md §7.1: created 0700."""
    made = private(tmp_path / "a" / "b")
    for folder in (made, made.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert private(made) == made


@requirement("file:7.1:private")
def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    """STYLE.md, Errors."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is no directory"):
        private(tmp_path / "file")
    with pytest.raises(ConfigError, match="cannot be made"):
        private(tmp_path / "file" / "below")


@requirement("models:gateway:sources")
def test_an_installation_has_one_name_where_it_can_be_kept(tmp_path: Path) -> None:
    """agent-file.md §3.12: X-Cagent-Id; a read-only place is no reason not to start."""
    config = tmp_path / "config"
    first = installation_id(config)
    assert first == installation_id(config)
    assert (config / "user-uuid").stat().st_mode & 0o077 == 0
    (tmp_path / "file").write_text("")
    nowhere = tmp_path / "file" / "config"
    assert installation_id(nowhere) != installation_id(nowhere)
