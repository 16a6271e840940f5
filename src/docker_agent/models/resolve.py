"""What a declared model comes down to: its provider, its address, its key, its settings. Pure.

Source: agent-file.md §2.8, §3.1 and §3.2.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import cast

import msgspec

from docker_agent.config.convert import did_you_mean
from docker_agent.config.model import EFFORTS, Model, Provider
from docker_agent.config.tree import Raw
from docker_agent.errors import ConfigError
from docker_agent.messages import JSON, Sampling
from docker_agent.models.endpoints import (
    ENDPOINTS,
    prefers_responses,
    takes_effort,
    takes_no_effort,
)
from docker_agent.models.openai_messages import OutputField
from docker_agent.models.scrub import Unshown, secrets_in

log = logging.getLogger(__name__)

CHAT = "openai_chatcompletions"
RESPONSES = "openai_responses"
_EXTRA_SAMPLING: Mapping[str, tuple[type, ...]] = {
    "top_k": (int,),
    "repetition_penalty": (int, float),
    "min_p": (int, float),
    "typical_p": (int, float),
}
"""Sampling options that go into the body of a chat completion as they are (agent-file.md §3.7)."""

SUSPICIOUS_CAP = 100_000
"""Tokens from which on a cap on answers looks like a window."""

_INHERITED = (
    "base_url",
    "token_key",
    "temperature",
    "max_tokens",
    "top_p",
    "frequency_penalty",
    "presence_penalty",
    "parallel_tool_calls",
    "track_usage",
    "thinking_budget",
    "task_budget",
    "auth",
)


class Resolved(msgspec.Struct, frozen=True):
    """A model with its provider's definition and row merged in.

    `protocol` is the key of the table of protocols. `base_url` may name variables still; `key` is
    the variable that must hold the key, `optional_key` one that is used when set. `declared` is
    where error messages point, `inherited` the same with its provider's definition filled in.
    `gated`: no key of a provider leaves this machine. `minted` are texts no message may show that
    come up while we run.
    `shown` is what messages call a model that is asked by another name than the file's.
    """

    declared: Model
    inherited: Model
    provider: str
    protocol: str
    model: str
    base_url: str
    key: str | None
    optional_key: str | None
    sampling: Sampling
    merge: bool
    track_usage: bool
    headers: Mapping[str, str]
    options: Mapping[str, JSON]
    gated: bool = False
    minted: list[str] = []
    shown: str = ""

    def unshown(self, key: str | None) -> Sequence[str]:
        """The texts that no message may show: the key, secrets in the file's own headers, and
        those that come up later."""
        return Unshown(key, *sorted(secrets_in(self.headers)), minted=self.minted)


def resolve(declared: Model, providers: Mapping[str, Provider]) -> Resolved:
    """The whole of a model. Raises `ConfigError` naming the model's place in the file."""
    definition = providers.get(declared.provider)
    model = _inherit(declared, definition) if definition else declared
    provider = (definition.provider or "openai") if definition else declared.provider
    endpoint = ENDPOINTS.get(provider)
    options = _options(declared, definition)
    protocol = _protocol(declared, definition, provider, options)
    key, optional = model.token_key or None, None
    if key is None and endpoint is not None:
        if definition is None or not model.base_url:
            key = None if model.base_url else endpoint.key
        if model.base_url and definition is None:
            optional = endpoint.key
    base_url = model.base_url or (endpoint.base_url if endpoint else "")
    explicit = options.get("api_type") == CHAT or definition is not None
    return Resolved(
        declared=declared,
        inherited=model,
        provider=provider,
        protocol=protocol,
        model=model.model,
        base_url=base_url,
        key=key,
        optional_key=optional,
        sampling=_sampling(model, options, genuine=_is_genuine(provider, model, definition)),
        merge=bool(endpoint and endpoint.merge)
        or explicit
        or (provider == "openai" and bool(model.base_url)),
        track_usage=model.track_usage is not False,
        headers=overlaid(endpoint.headers if endpoint else {}, _headers(options, declared)),
        options=options,
    )


def _is_genuine(provider: str, model: Model, definition: Provider | None) -> bool:
    """Whether OpenAI's own words for efforts are understood. Source: agent-file.md §3.9."""
    named = provider in ("openai", "azure", "chatgpt") or model.model.startswith("openai/")
    return named or definition is not None


def overlaid(*headers: Mapping[str, str]) -> dict[str, str]:
    """Headers as one mapping, later ones over earlier; case does not count in their names."""
    merged = {name.lower(): (name, value) for part in headers for name, value in part.items()}
    return dict(merged.values())


def _inherit(declared: Model, definition: Provider) -> Model:
    gaps = {
        name: getattr(definition, name)
        for name in _INHERITED
        if getattr(declared, name) in (None, "")
    }
    return msgspec.structs.replace(declared, **gaps)


def _options(declared: Model, definition: Provider | None) -> dict[str, JSON]:
    merged: dict[str, JSON] = {}
    if definition is not None:
        if definition.api_type:
            merged["api_type"] = definition.api_type
        merged.update(_plain(definition.provider_opts))
    merged.update(_plain(declared.provider_opts))
    return merged


def _plain(raw: Raw | None) -> dict[str, JSON]:
    value = None if raw is None else raw.plain()
    return cast(dict[str, JSON], value) if isinstance(value, dict) else {}


def _protocol(
    declared: Model, definition: Provider | None, provider: str, options: Mapping[str, JSON]
) -> str:
    endpoint = ENDPOINTS.get(provider)
    if endpoint is None:
        return provider
    asked = options.get("api_type")
    if asked in (CHAT, RESPONSES):
        return str(asked)
    if asked is not None:
        raise declared.error(f"provider_opts.api_type must be '{CHAT}' or '{RESPONSES}'")
    by_model = definition is not None or endpoint.responses
    return RESPONSES if by_model and prefers_responses(declared.model) else CHAT


def _sampling(model: Model, options: Mapping[str, JSON], *, genuine: bool) -> Sampling:
    seed = options.get("seed")
    return Sampling(
        temperature=model.temperature,
        top_p=model.top_p,
        max_tokens=model.max_tokens or None,
        seed=seed if isinstance(seed, int) and not isinstance(seed, bool) else None,
        frequency_penalty=model.frequency_penalty,
        presence_penalty=model.presence_penalty,
        parallel_tool_calls=model.parallel_tool_calls,
        reasoning_effort=_effort(model, genuine=genuine),
    )


def extra_sampling(options: Mapping[str, JSON]) -> dict[str, JSON]:
    """What of `provider_opts` goes into the body of a chat completion as it is; a value of the
    wrong type is passed over. Source: agent-file.md §3.7."""
    found: dict[str, JSON] = {}
    for name, types in _EXTRA_SAMPLING.items():
        value = options.get(name)
        if isinstance(value, types) and not isinstance(value, bool):
            found[name] = value
        elif value is not None:
            log.debug("provider_opts.%s is no number and is left out", name)
    return found


def wants_websocket(resolved: Resolved) -> bool:
    """Whether the file asks for a websocket in place of HTTP. Source: agent-file.md §3.7."""
    asked = resolved.options.get("transport")
    known = isinstance(asked, str) and asked.lower() in ("sse", "websocket")
    if asked is not None and not known:
        log.debug("provider_opts.transport is neither 'sse' nor 'websocket' and is left out")
    return known and str(asked).lower() == "websocket"


def _effort(model: Model, *, genuine: bool) -> str | None:
    """The effort OpenAI's models take, whoever serves them; `none` is understood by OpenAI's own
    endpoints alone. Source: agent-file.md §3.9."""
    if not takes_effort(model.model):
        return None
    budget = model.thinking_budget
    if budget is None:
        bare = model.model.lower().rsplit("/", 1)[-1]
        return "medium" if bare.startswith(("o1", "o3", "o4")) else None
    if budget == "none" and genuine and takes_no_effort(model.model):
        return "none"
    if budget in (0, "none"):
        return None
    if budget not in EFFORTS:
        raise model.error(
            f"OpenAI's models take an effort, not {budget!r}; use one of {', '.join(EFFORTS)}",
            "thinking_budget",
        )
    return str(budget)


def warn_of_caps(resolved: Resolved) -> None:
    """Warn of a cap on answers that leaves no room for a question. Source: agent-file.md §3.6."""
    cap, given = resolved.inherited.max_tokens or 0, str(resolved.options.get("context_size", ""))
    size = int(given) if given.isascii() and given.isdigit() else 0
    if cap < (size or SUSPICIOUS_CAP):
        return
    text = f"{cap} tokens for an answer are " + (
        f"all of the context_size of {size}"
        if size
        else "very many; this is no context size: that is provider_opts.context_size"
    )
    log.warning("%s", resolved.declared.error(text, "max_tokens"))


def _headers(options: Mapping[str, JSON], declared: Model) -> dict[str, str]:
    """Extra headers of `provider_opts.http_headers`; line breaks are taken out, what is no text is
    left out with a warning."""
    given = options.get("http_headers")
    if not isinstance(given, dict):
        return {}
    for name, value in cast(dict[str, JSON], given).items():
        if not isinstance(value, str):
            text = f"http_headers.{name} is no text and is left out"
            log.warning("%s", declared.error(text, "provider_opts"))
    return {
        str(name): value.replace("\r", "").replace("\n", "")
        for name, value in cast(dict[str, JSON], given).items()
        if isinstance(value, str)
    }


def output_field(resolved: Resolved) -> OutputField:
    """What this model calls the cap on its answer's tokens."""
    return "max_completion_tokens" if prefers_responses(resolved.model) else "max_tokens"


def unknown_provider(declared: Model, name: str, known: Collection[str]) -> ConfigError:
    """The error for a model whose provider, or that provider's own type, is `name`: nobody's."""
    hint = did_you_mean(name, known)
    return declared.error(
        f"unknown provider type '{name}'{f'{hint} Known' if hint else '; known'} are "
        f"{', '.join(sorted(known))}",
        "provider",
    )
