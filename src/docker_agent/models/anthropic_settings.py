"""What an agent file says of a Claude model, as the adapter's settings. Pure.

Source: agent-file.md §2.8.1, §3.2.2, §3.6, §3.7 and §3.9.
"""

from __future__ import annotations

import logging
from typing import cast

from docker_agent.config.expand import expand_shell
from docker_agent.config.model import TaskBudget
from docker_agent.env.chain import Secrets
from docker_agent.errors import ConfigError
from docker_agent.messages import JSON
from docker_agent.models.anthropic_request import DEFAULT_MAX_TOKENS, MessagesSettings
from docker_agent.models.anthropic_thinking import DISPLAYS, MIN_BUDGET, Thinking, thinking_of
from docker_agent.models.resolve import Resolved, overlaid

log = logging.getLogger(__name__)

BASE_URL = "https://api.anthropic.com"
VERSION = "2023-06-01"
KEY = "ANTHROPIC_API_KEY"
BETA_HEADER = "anthropic-beta"

UNCAPPED_MAX_TOKENS = 8192
"""Tokens when the file says 0 (agent-file.md §3.6)."""

ROOM = 8192
"""Tokens left for the answer beside a budget that would fill the cap."""


def messages_settings(resolved: Resolved, secrets: Secrets, output: int = 0) -> MessagesSettings:
    """How a declared model is reached and asked; `output` is the most tokens the model can give, 0
    when unknown. Raises `ConfigError` naming the model's place in the file."""
    declared, options = resolved.declared, resolved.options
    key = _key(resolved, secrets)
    try:
        base_url = expand_shell(resolved.base_url or BASE_URL, secrets.get)
        model = expand_shell(resolved.model, secrets.get)
    except ConfigError as exc:
        raise declared.error(str(exc)) from exc
    thinking = thinking_of(resolved.inherited.thinking_budget, model, _display(resolved))
    _warn_of_small_budget(resolved, thinking)
    own = {"anthropic-version": VERSION, **({"x-api-key": key} if key else {})}
    headers = overlaid(own, resolved.headers)
    betas = [headers.pop(name) for name in list(headers) if name.lower() == BETA_HEADER]
    interleaved = options.get("interleaved_thinking")
    return MessagesSettings(
        url=f"{base_url.rstrip('/').removesuffix('/v1')}/v1/messages",
        model=model,
        headers=headers,
        secrets=resolved.unshown(key),
        sampling=resolved.sampling,
        max_tokens=_max_tokens(resolved, output, thinking),
        top_k=_whole(options.get("top_k")),
        thinking=thinking,
        interleaved=interleaved if isinstance(interleaved, bool) else bool(thinking),
        task_budget=_task_budget(resolved.inherited.task_budget),
        fallbacks=_texts(options.get("fallbacks")),
        betas=tuple(beta.strip() for beta in ",".join(betas).split(",") if beta.strip()),
        track_usage=resolved.track_usage,
    )


def _key(resolved: Resolved, secrets: Secrets) -> str | None:
    """The key: of the variable the file names, which must then be set; else of Anthropic's own.

    A definition with an address and no `token_key` goes without (agent-file.md §2.8.1).
    """
    if resolved.gated or resolved.inherited.auth is not None:
        return None
    if resolved.key is None and resolved.base_url:
        return (secrets.get(KEY) or None) if resolved.declared.base_url else None
    name = resolved.key or KEY
    key = secrets.get(name)
    if not key:
        raise ConfigError(f"{name} environment variable is required")
    return key


def _display(resolved: Resolved) -> str:
    display = resolved.options.get("thinking_display")
    if display is None or display in DISPLAYS:
        return display or ""
    text = f"thinking_display {display!r} is ignored; it may be {', '.join(DISPLAYS)}"
    log.warning("%s", resolved.declared.error(text, "provider_opts"))
    return ""


def _warn_of_small_budget(resolved: Resolved, thinking: Thinking) -> None:
    budget = resolved.inherited.thinking_budget
    if isinstance(budget, int) and budget and not thinking:
        text = f"{budget} tokens are ignored; the API takes {MIN_BUDGET} or more"
        log.warning("%s", resolved.declared.error(text, "thinking_budget"))


def _max_tokens(resolved: Resolved, output: int, thinking: Thinking) -> int:
    declared = resolved.inherited.max_tokens
    cap = output or DEFAULT_MAX_TOKENS
    if declared is not None:
        cap = declared or UNCAPPED_MAX_TOKENS
    if thinking.tokens < cap:
        return cap
    if declared:
        raise resolved.declared.error(
            f"max_tokens ({declared}) must exceed the thinking budget of {thinking.tokens} tokens; "
            f"use at least {thinking.tokens + MIN_BUDGET}",
            "max_tokens",
        )
    return thinking.tokens + ROOM


def _task_budget(declared: int | TaskBudget | None) -> int:
    return declared.total if isinstance(declared, TaskBudget) else declared or 0


def _whole(value: JSON) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _texts(value: JSON) -> tuple[str, ...]:
    listed = cast(list[JSON], value) if isinstance(value, list) else []
    return tuple(item for item in listed if isinstance(item, str))
