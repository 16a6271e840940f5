"""No secret reaches the log. Source: runtime.md §12.6, DESIGN.md §6."""

from __future__ import annotations

import logging
from collections.abc import Generator
from pathlib import Path

import pytest

from docker_agent import log
from docker_agent.env.secret_text import redact
from tests.requirements import requirement

TOKEN = "ghp_" + "a1B2" * 9
NAMES = (log.LOGGER_NAME, log.WEB_SERVER_LOGGER, log.TELEMETRY_LOGGER, log.ACCESS_LOGGER)


@pytest.fixture
def loggers() -> Generator[None]:
    """What a test configures does not stay."""
    found = [logging.getLogger(name) for name in NAMES]
    before = [(one, one.handlers[:], one.level, one.propagate) for one in found]
    yield
    for one, handlers, level, propagate in before:
        for handler in one.handlers:
            handler.close()
        one.handlers[:], one.propagate = handlers, propagate
        one.setLevel(level)


@requirement("secrets:log")
def test_secrets_are_taken_out_of_every_line(tmp_path: Path, loggers: None) -> None:
    """Messages and tracebacks alike."""
    log.configure(debug=False, file=tmp_path / "log", clean=redact)
    logger = logging.getLogger("docker_agent.somewhere")
    logger.warning("a call with %s", TOKEN)
    try:
        raise ValueError(f"bad key {TOKEN}")
    except ValueError:
        logger.exception("it failed")
    written = (tmp_path / "log").read_text()
    assert "a call with [REDACTED]" in written and "bad key [REDACTED]" in written
    assert TOKEN not in written
