"""Logging set-up: one logger tree, to stderr or a file; never a secret, never formatted when
off."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, cast

import msgspec

from docker_agent.errors import ConfigError

LOGGER_NAME = "docker_agent"
WEB_SERVER_LOGGER = "uvicorn.error"
TELEMETRY_LOGGER = "opentelemetry"
ACCESS_LOGGER = "docker_agent.access"
LogFormat = Literal["text", "json"]


def configure(
    *,
    debug: bool,
    file: Path | None,
    form: LogFormat | None = None,
    level: int = logging.INFO,
    clean: Callable[[str], str] = str,
) -> None:
    """Send our log to `file`, else to stderr: what is of `level` or worse, with `debug` everything.

    `clean` takes secrets out of a line before it is written. With a `form` there is a line for each
    request, and what libraries warn of has that form too.
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
    if form == "json":
        handler.setFormatter(JsonLines())
    elif form == "text" or file or debug:
        handler.setFormatter(TextLines())
    else:
        handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    handler.setFormatter(_Cleaned(handler.formatter, clean))
    if form is not None:
        logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
        logging.captureWarnings(True)
    logging.getLogger(ACCESS_LOGGER).setLevel(logging.INFO if form or debug else logging.WARNING)
    levels = {
        LOGGER_NAME: level,
        WEB_SERVER_LOGGER: logging.ERROR,
        TELEMETRY_LOGGER: logging.WARNING,
    }
    for name, least in levels.items():
        logger = logging.getLogger(name)
        for old in logger.handlers[:]:
            logger.removeHandler(old)
            old.close()
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG if debug else least)
        logger.propagate = False


class _Cleaned(logging.Formatter):
    """The lines of another formatter, cleaned."""

    def __init__(self, lines: logging.Formatter | None, clean: Callable[[str], str]) -> None:
        super().__init__()
        self._lines = lines or logging.Formatter()
        self._clean = clean

    def format(self, record: logging.LogRecord) -> str:
        return self._clean(self._lines.format(record))


def fields_of(record: logging.LogRecord) -> Mapping[str, object]:
    """What was logged with `extra={"fields": {…}}`, beside the message."""
    return cast(Mapping[str, object], getattr(record, "fields", {}))


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


class TextLines(logging.Formatter):
    """`2026-01-31T12:00:00.000+00:00 INFO docker_agent.access: request status=200`."""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        head = f"{_time(record)} {record.levelname} {record.name}: "
        pairs = "".join(f" {name}={_word(value)}" for name, value in fields_of(record).items())
        first, newline, rest = line.partition("\n")
        return head + first + pairs + newline + rest


class JsonLines(logging.Formatter):
    """One object a line: `time`, `level`, `logger`, `message`, the fields, `error` for a
    traceback."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **fields_of(record),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()


def _word(value: object) -> str:
    """A value as one word; one that holds more stands in quotes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    plain = text and text.isprintable() and not any(sign in text for sign in ' "=\\')
    return text if plain else msgspec.json.encode(text).decode()
