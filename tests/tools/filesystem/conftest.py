"""The desk that the tests of the filesystem toolset work at."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.filesystem.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A fresh working directory."""
    return Desk(tmp_path)
