"""Where `scripts/e2e.sh` put the environments of the clients, and where artefacts go."""

from __future__ import annotations

import os
import shutil
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
E2E_HOME = Path(os.environ.get("E2E_HOME", ROOT / ".e2e"))
DRIVERS = Path(__file__).parent / "drivers"
ARTEFACTS = E2E_HOME / "artefacts"


def python_driver(environment: str, driver: str) -> tuple[str, ...]:
    """The command of a driver in one of the Python environments."""
    return (str(E2E_HOME / environment / "bin/python"), str(DRIVERS / driver))


def node_driver(driver: str, *arguments: str) -> tuple[str, ...]:
    """The command of a driver for Node."""
    return ("node", str(_node_drivers() / driver), *arguments)


@lru_cache(maxsize=1)
def _node_drivers() -> Path:
    """The drivers beside `node_modules`: Node looks for packages from where a module lies."""
    place = E2E_HOME / "node"
    for driver in DRIVERS.glob("*.mjs"):
        fresh = place / f"{driver.name}.{os.getpid()}"
        shutil.copy(driver, fresh)
        fresh.replace(place / driver.name)
    return place
