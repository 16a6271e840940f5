"""Flag types, and the flags that may stand before and after a command's name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from docker_agent import log
from docker_agent.config.durations import parse_duration
from docker_agent.env.directories import Directories
from docker_agent.env.secret_text import redact
from docker_agent.errors import ConfigError
from docker_agent.log import LogFormat

if TYPE_CHECKING:  # help and completion need not wait for it
    from docker_agent.hooks.port import HookEvent

Command = TypeVar("Command", bound=Callable[..., Any])


class Globals(msgspec.Struct):
    """What the global flags say; a flag after the command's name wins over one before it."""

    debug: bool = False
    log_file: str | None = None
    log_format: LogFormat | None = None
    otel: bool = False
    cache_dir_flag: str | None = None
    config_dir_flag: str | None = None
    data_dir_flag: str | None = None

    @property
    def directories(self) -> Directories:
        """The folders in force."""
        return Directories.chosen(
            os.environ,
            cache=self.cache_dir_flag,
            config=self.config_dir_flag,
            data=self.data_dir_flag,
        )

    @property
    def cache_dir(self) -> Path:
        """Where downloads are kept."""
        return self.directories.cache


def configure_log(options: Globals) -> None:
    """Start the log as the global flags say. Raises `ConfigError`."""
    file = Path(options.log_file) if options.log_file else None
    log.configure(debug=options.debug, file=file, form=options.log_format, clean=redact)


def _remember(context: click.Context, parameter: click.Parameter, value: object) -> None:
    if value is not None and parameter.name in Globals.__struct_fields__:
        setattr(context.ensure_object(Globals), parameter.name, value)


_global = partial(click.option, expose_value=False, callback=_remember)
_FOLDER = click.Path(file_okay=False)
_GLOBAL_FLAGS = (
    _global("-d", "--debug", is_flag=True, default=None, help="Log what happens, in detail."),
    _global(
        "--log-file", type=click.Path(dir_okay=False), help="Log to this file instead of stderr."
    ),
    _global(
        "--log-format",
        type=click.Choice(["text", "json"]),
        help="Log a line for each request too, as text or as JSON.",
    ),
    _global(
        "-o",
        "--otel",
        is_flag=True,
        default=None,
        help="Send traces and metrics to the collector at OTEL_EXPORTER_OTLP_ENDPOINT.",
    ),
    _global("--cache-dir", "cache_dir_flag", type=_FOLDER, help="Where downloads are kept."),
    _global("--config-dir", "config_dir_flag", type=_FOLDER, help="Where your own settings lie."),
    _global("--data-dir", "data_dir_flag", type=_FOLDER, help="Where data of agents is kept."),
)


def global_flags(command: Command) -> Command:
    """Gives a command the global flags; what is said goes into the context's `Globals`."""
    for flag in reversed(_GLOBAL_FLAGS):
        command = flag(command)
    return command


HOOK_FLAGS: Mapping[HookEvent, str] = {
    "pre_tool_use": "before each tool call, and may refuse it",
    "post_tool_use": "after each tool call",
    "session_start": "when a request's run begins",
    "session_end": "when a request's run has ended",
    "on_user_input": "when a run waits for its user",
    "stop": "when an agent is done",
}
"""The events of the `--hook-*` flags, and when each comes."""


def hook_flags(command: Command) -> Command:
    """Gives a command the `--hook-*` flags."""
    for event, when in reversed([*HOOK_FLAGS.items()]):
        option = click.option(
            f"--hook-{event.replace('_', '-')}",
            multiple=True,
            metavar="COMMAND",
            help=f"Run a command {when}. Repeatable.",
        )
        command = option(command)
    return command


class DurationType(click.ParamType[float]):
    """A Go duration such as `30s` or `1m30s`; seconds as a float."""

    name = "duration"

    def __init__(self, *, zero: bool = False) -> None:
        self._zero = zero

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, int | float):
            return float(value)
        try:
            seconds = parse_duration(str(value))
        except ConfigError as exc:
            self.fail(str(exc), param, ctx)
        if seconds < 0 or (seconds == 0 and not self._zero):
            self.fail(f"{value} is not longer than nothing", param, ctx)
        return seconds


def _pairs(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for value in values:
        name, equals, target = value.partition("=")
        if not equals or not name or not target:
            raise click.BadParameter(f"{value!r} is no NAME=AGENT pair", context, parameter)
        pairs[name] = target
    return pairs


PAIRS = _pairs
"""A callback for repeatable `NAME=AGENT` flags."""

DURATION = DurationType()
SILENCE = DurationType(zero=True)
