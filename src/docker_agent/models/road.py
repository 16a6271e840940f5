"""Which HTTP client models get: the real one, one that records what it carries, or one that
answers from a recording."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from docker_agent.models.http import open_http
from docker_agent.models.http_port import Http

log = logging.getLogger(__name__)


@asynccontextmanager
async def open_road(fake: Path | None = None, record: Path | None = None) -> AsyncGenerator[Http]:
    """The client: over the recording `fake`, recording into `record`, or plain.

    Raises `ConfigError` when a recording cannot be read or made.
    """
    if fake is not None:
        from docker_agent.models.replay import open_replay

        yield open_replay(fake)
        return
    async with open_http() as http:
        if record is None:
            yield http
            return
        from docker_agent.models.recording import open_recording
        from docker_agent.models.scrub import secret_values

        with open_recording(record, http, secret_values()) as recording:
            log.warning("calls of models are recorded in %s", record)
            yield recording
