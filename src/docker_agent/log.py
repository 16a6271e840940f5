"""Logging set-up: one logger tree, to stderr or a file; never a secret, never formatted when
off."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from docker_agent.errors import ConfigError

LOGGER_NAME = "docker_agent"
WEB_SERVER_LOGGER = "uvicorn.error"
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def configure(*, debug: bool, file: Path | None) -> None:
    """Send our log to `file`, else to stderr; warnings and worse, with `debug` everything.

    Raises `ConfigError` when the file cannot be opened.
    """
    try:
        handler = (
            logging.FileHandler(file, encoding="utf-8")
            if file
            else logging.StreamHandler(sys.stderr)
        )
    except OSError as exc:
        raise ConfigError(f"--log-file {file}: {exc.strerror or exc}") from exc
    handler.setFormatter(
        logging.Formatter(_FORMAT if file or debug else "%(levelname)s: %(message)s")
    )
    for name, level in ((LOGGER_NAME, logging.INFO), (WEB_SERVER_LOGGER, logging.ERROR)):
        logger = logging.getLogger(name)
        for old in logger.handlers[:]:
            logger.removeHandler(old)
            old.close()
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG if debug else level)
        logger.propagate = False
