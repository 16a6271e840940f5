"""The user's own `config.yaml`, as far as it concerns serving: read generously, never fatal.

Source: agent-file.md §7.2.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import msgspec

from docker_agent.config.aliases import Alias, read_aliases, read_old_aliases
from docker_agent.config.convert import convert
from docker_agent.config.decode import decode
from docker_agent.config.model import Provider
from docker_agent.config.rules import provider_problems
from docker_agent.config.tree import NOWHERE, Raw
from docker_agent.errors import ConfigError

log = logging.getLogger(__name__)

NAME = "config.yaml"
OLD_ALIASES = "aliases.yaml"
"""Where aliases stood once: names, and what each stands for."""


class UserFile(msgspec.Struct, frozen=True):
    """What it says. `default_model` is `provider/model`, `credential_helper` a program and its
    arguments; empty: not said."""

    models_gateway: str = ""
    default_model: str = ""
    providers: Mapping[str, Provider] = {}
    aliases: Mapping[str, Alias] = {}
    credential_helper: tuple[str, ...] = ()


def read_user_file(directory: Path) -> UserFile:
    """The file in the configuration directory; what cannot be used is named in the log."""
    raw = _read(directory / NAME)
    aliases = dict(read_aliases(raw.get("aliases")))
    if not aliases:
        aliases = dict(read_old_aliases(_read(directory / OLD_ALIASES)))
    return UserFile(
        models_gateway=_text(raw.get("models_gateway")),
        default_model=_default_model(raw.get("default_model")),
        providers=_providers(raw.get("providers")),
        aliases=aliases,
        credential_helper=_command(raw.get("credential_helper")),
    )


def _read(path: Path) -> Raw:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return NOWHERE
    except OSError as exc:
        log.warning("%s cannot be read: %s", path, exc.strerror or exc)
        return NOWHERE
    try:
        return decode(data, str(path))
    except ConfigError as exc:
        log.warning("%s; the file is ignored", exc)
        return NOWHERE


def _text(raw: Raw | None) -> str:
    value = None if raw is None or raw.is_null else raw.plain()
    return value.strip() if isinstance(value, str) else ""


def _command(raw: Raw | None) -> tuple[str, ...]:
    """A program and its arguments; empty when none is named."""
    command = _text(raw.get("command")) if raw is not None else ""
    arguments = raw.get("args") if raw is not None else None
    words = [_text(word) for word in arguments.elements()] if arguments is not None else []
    return (command, *words) if command else ()


def _default_model(raw: Raw | None) -> str:
    if raw is None or not isinstance(raw.plain(), dict):
        return _text(raw)
    provider, model = _text(raw.get("provider")), _text(raw.get("model"))
    return f"{provider}/{model}" if provider and model else ""


def _providers(raw: Raw | None) -> dict[str, Provider]:
    names = cast(dict[str, object], raw.plain()) if raw and isinstance(raw.plain(), dict) else {}
    found: dict[str, Provider] = {}
    for name in names:
        entry = raw.get(name) if raw is not None else None
        if entry is None:
            continue
        try:
            provider = convert(entry, Provider)
            for problem in provider_problems(name, provider):
                raise problem
        except ConfigError as exc:
            log.warning("%s; this provider is skipped", exc)
        else:
            found[name] = provider
    return found
