"""How Docker Model Runner's engine is set up for a model: `provider_opts` as the body of its
`_configure`. Pure.

Source: agent-file.md §3.7, §3.8 and §3.9.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any, cast

import msgspec

from docker_agent.config.durations import parse_duration
from docker_agent.errors import ConfigError
from docker_agent.messages import JSON
from docker_agent.models.resolve import Resolved

LLAMA, VLLM = "llama.cpp", "vllm"
"""Engines that know a budget for thinking."""

MODES = ("completion", "embedding", "reranking", "image-generation")
BUDGETS: Mapping[str, int] = {
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 16_384,
    "xhigh": 32_768,
    "max": 32_768,
}
"""Tokens that an effort is worth."""

_DYNAMIC = -1
_SPECULATIVE = {
    "speculative_draft_model": "draft_model",
    "speculative_num_tokens": "num_tokens",
    "speculative_acceptance_rate": "min_acceptance_rate",
}


class Options(msgspec.Struct, frozen=True):
    """What a file says of a model behind Docker Model Runner.

    `thinking` are tokens: 0 off, -1 as the engine likes, None not said. `image` and `pdf`: whether
    it reads them, None not said.
    """

    context_size: int = 0
    runtime_flags: tuple[str, ...] = ()
    raw_runtime_flags: str = ""
    mode: str = ""
    keep_alive: str = ""
    speculative: Mapping[str, JSON] = {}
    hf_overrides: Mapping[str, JSON] | None = None
    gpu_memory: float | None = None
    image: bool | None = None
    pdf: bool | None = None
    thinking: int | None = None

    def configuration(self, model: str, engine: str) -> dict[str, JSON]:
        """The body of `_configure`."""
        vllm: dict[str, JSON] = {
            "hf-overrides": self.hf_overrides,
            "gpu-memory-utilization": self.gpu_memory,
        }
        llama: dict[str, JSON] = {
            "reasoning-budget": self.thinking if engine == LLAMA else None,
        }
        body: dict[str, JSON] = {
            "model": model,
            "mode": self.mode,
            "raw-runtime-flags": self.raw_runtime_flags,
            "context-size": self.context_size,
            "runtime-flags": list(self.runtime_flags),
            "speculative": dict(self.speculative),
            "keep_alive": self.keep_alive,
            "vllm": _said(vllm),
            "llamacpp": _said(llama),
        }
        return {name: value for name, value in body.items() if value not in ("", 0, [], {}, None)}

    def extra(self, engine: str) -> dict[str, JSON]:
        """What goes into every question beside the usual."""
        if self.thinking == 0:
            return {"chat_template_kwargs": {"enable_thinking": False}}
        if self.thinking is not None and engine == VLLM:
            return {"thinking_token_budget": self.thinking}
        return {}


def _said(fields: Mapping[str, JSON]) -> dict[str, JSON]:
    return {name: value for name, value in fields.items() if value is not None}


def options_of(resolved: Resolved) -> Options:
    """The options of a model. Raises `ConfigError` with its place for a value that cannot be."""
    given = resolved.options
    capabilities = resolved.declared.capabilities

    def wrong(name: str, text: str) -> ConfigError:
        return resolved.declared.error(f"provider_opts.{name}: {text}", "provider_opts")

    if given.get("runtime_flags") and given.get("raw_runtime_flags"):
        raise wrong("raw_runtime_flags", "give it or runtime_flags, not both")
    mode = given.get("mode") or ""
    if mode and mode not in MODES:
        raise wrong("mode", f"{mode!r} must be one of {', '.join(MODES)}")
    for name in ("supports_images", "supports_pdf"):
        if given.get(name) is not None and not isinstance(given[name], bool):
            raise wrong(name, "must be true or false")
    gpu = given.get("gpu_memory_utilization")
    if gpu is not None and not (_is_number(gpu) and 0 <= gpu <= 1):
        raise wrong("gpu_memory_utilization", f"{gpu!r} must be a number from 0 to 1")
    return Options(
        context_size=_size(given.get("context_size")),
        runtime_flags=_flags(given.get("runtime_flags"), wrong),
        raw_runtime_flags=_text("raw_runtime_flags", given, wrong),
        mode=mode,
        keep_alive=_keep_alive(given.get("keep_alive"), wrong),
        speculative={
            wire: given[name] for name, wire in _SPECULATIVE.items() if given.get(name) is not None
        },
        hf_overrides=_overrides(given.get("hf_overrides"), wrong),
        gpu_memory=gpu,
        image=capabilities.image if capabilities else given.get("supports_images"),
        pdf=capabilities.pdf if capabilities else given.get("supports_pdf"),
        thinking=_thinking(resolved.inherited.thinking_budget),
    )


_Wrong = Any
"""Makes the error for an option: `(name, text) -> ConfigError`."""


def _is_number(value: JSON) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _size(value: JSON) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _flags(value: JSON, wrong: _Wrong) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        return tuple(shlex.split(value.replace(",", " ")))
    if isinstance(value, list):
        return tuple(str(flag) for flag in cast(list[JSON], value))
    raise wrong("runtime_flags", "must be a list of flags, or a text")


def _text(name: str, given: Mapping[str, JSON], wrong: _Wrong) -> str:
    value = given.get(name)
    if value is None or isinstance(value, str):
        return value or ""
    raise wrong(name, "must be a text")


def _keep_alive(value: JSON, wrong: _Wrong) -> str:
    if value is None:
        return ""
    text = str(value).strip()
    if text not in ("0", "-1"):
        try:
            parse_duration(text)
        except ConfigError as exc:
            raise wrong("keep_alive", f"{exc}; a duration such as 5m, 0 or -1 would do") from exc
    return text


def _overrides(value: JSON, wrong: _Wrong) -> Mapping[str, JSON] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise wrong("hf_overrides", "must be a mapping")
    named = cast(dict[JSON, JSON], value)
    for key in named:
        if not isinstance(key, str) or not key.replace("_", "a").isidentifier():
            raise wrong("hf_overrides", f"{key!r} is no name of a setting")
    return cast(dict[str, JSON], value)


def _thinking(budget: int | str | None) -> int | None:
    if budget is None or isinstance(budget, int):
        return budget
    if budget == "none":
        return 0
    return BUDGETS.get(budget, _DYNAMIC)
