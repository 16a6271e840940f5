"""What must hold of each declared thing on its own, beyond the types of its keys."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from urllib.parse import urlsplit

from docker_agent.config.agent_file import Agent, AgentFile, Harness
from docker_agent.config.convert import did_you_mean
from docker_agent.config.hooks import Hook, Hooks, Matcher
from docker_agent.config.model import Auth, IdentityToken, Model, Provider
from docker_agent.config.rag_rules import rag_problems
from docker_agent.config.toolset import Toolset
from docker_agent.config.toolset_rules import toolset_problems
from docker_agent.config.tree import Placed
from docker_agent.errors import ConfigError

API_TYPES = ("openai_chatcompletions", "openai_responses")
_BESIDE_SELECTION = frozenset({"first_available", "parallel_tool_calls", "capabilities"})
_NEEDED_BY_HOOK = {
    "command": ("command",),
    "builtin": ("command",),
    "model": ("model", "prompt"),
}
_FEDERATION = "workload_identity_federation"


def file_problems(file: AgentFile) -> Iterator[ConfigError]:
    """Everything wrong with the things of a file, each looked at alone."""
    for name, provider in file.providers.items():
        yield from provider_problems(name, provider)
    for name, model in file.models.items():
        yield from model_problems(name, model, file)
    for agent in file.agents:
        yield from agent_problems(agent)
    for toolset in file.toolsets.values():
        yield from toolset_problems(toolset)
    for toolset in file.mcps.values():
        yield from _mcp_definition_problems(toolset)
    for source in file.rag.values():
        yield from rag_problems(source)
    for entry in file.runtime.network_allowlist:
        if not entry.strip() or "," in entry:
            yield file.runtime.error(
                f"{entry!r} is no host; write one 'host' or 'host:port' per entry",
                "network_allowlist",
            )


def provider_problems(name: str, provider: Provider) -> Iterator[ConfigError]:
    """What is wrong with one entry of `providers`. Source: agent-file.md §2.8."""
    if not name.strip():
        yield provider.error("a provider needs a name")
    elif name != name.strip():
        yield provider.error(f"the name {name!r} must not begin or end with a blank")
    if "/" in name:
        yield provider.error(f"the name {name!r} must not hold a '/'")
    if provider.api_type and provider.api_type not in API_TYPES:
        hint = did_you_mean(provider.api_type, API_TYPES) or f"; use {' or '.join(API_TYPES)}"
        yield provider.error(f"{provider.api_type!r} is no api_type{hint}", "api_type")
    needs_url = provider.api_type or provider.provider in ("", "openai")
    if needs_url and not provider.base_url:
        yield provider.error("the key 'base_url' is missing")
    yield from _url_problems(provider, provider.base_url)
    if provider.auth is not None and provider.provider != "anthropic":
        yield provider.error("needs the provider anthropic", "auth")
    yield from _auth_problems(provider.auth)


def model_problems(name: str, model: Model, file: AgentFile) -> Iterator[ConfigError]:
    """What is wrong with one entry of `models`. Source: agent-file.md §2.7 and §3.4."""
    if model.first_available is not None:
        yield from _selector_problems(model)
        return
    if not model.provider and not model.is_alloy:
        named, slash, rest = model.model.partition("/")
        hint = f"; write 'provider: {named}' and 'model: {rest}'" if slash and named else ""
        yield model.error(f"the key 'provider' is missing{hint}")
    elif not model.model:
        yield model.error("the key 'model' is missing")
    yield from _url_problems(model, model.base_url)
    for rule in model.routing:
        if not rule.model:
            yield rule.error("the key 'model' is missing")
    definition = file.providers.get(model.provider)
    underlying = definition.provider if definition else model.provider
    if model.auth is not None and underlying != "anthropic":
        yield model.error("needs the provider anthropic", "auth")
    yield from _auth_problems(model.auth)


def agent_problems(agent: Agent) -> Iterator[ConfigError]:
    """What is wrong with one agent, its toolsets and hooks."""
    if agent.instruction and any(_as_list(agent.instruction_file)):
        yield agent.error(
            "'instruction' and 'instruction_file' exclude each other", "instruction_file"
        )
    for toolset in agent.toolsets:
        yield from toolset_problems(toolset)
    if agent.harness is not None:
        yield from _harness_problems(agent.harness)
    if agent.hooks is not None:
        yield from hook_problems(agent.hooks)


def hook_problems(hooks: Hooks) -> Iterator[ConfigError]:
    """What is wrong with an agent's hooks. Source: agent-file.md §2.12b."""
    for event in Hooks.__struct_fields__:
        for entry in getattr(hooks, event) if event != "source" else ():
            if isinstance(entry, Matcher):
                yield from _matcher_problems(entry)
            elif isinstance(entry, Hook):
                yield from _one_hook_problems(entry)


def _matcher_problems(matcher: Matcher) -> Iterator[ConfigError]:
    if not matcher.hooks:
        yield matcher.error("at least one entry in 'hooks' is needed")
    if matcher.matcher not in ("", "*"):
        try:
            with warnings.catch_warnings(action="ignore"):
                re.compile(matcher.matcher)
        except (re.error, RecursionError, OverflowError) as exc:
            yield matcher.error(f"is no regular expression: {exc}", "matcher")
    for hook in matcher.hooks:
        yield from _one_hook_problems(hook)


def _one_hook_problems(hook: Hook) -> Iterator[ConfigError]:
    for key in _NEEDED_BY_HOOK[hook.type]:
        if not getattr(hook, key).strip():
            yield hook.error(f"a hook of type {hook.type} needs the key {key!r}")


def _selector_problems(model: Model) -> Iterator[ConfigError]:
    for key, value in model.source.items():
        if key not in _BESIDE_SELECTION and not value.is_null:
            yield model.source.key_error(key, f"{key!r} cannot stand beside 'first_available'")
    if not model.first_available:
        yield model.error("needs at least one candidate", "first_available")
    candidates = model.source.get("first_available")
    for candidate in candidates.elements() if candidates is not None else ():
        if not str(candidate.plain()).strip():
            yield candidate.error("must not be blank")


def _mcp_definition_problems(toolset: Toolset) -> Iterator[ConfigError]:
    if toolset.type != "mcp":
        yield toolset.error("the entries of 'mcps' are all of type mcp", "type")
        return
    yield from toolset_problems(toolset)
    ref = toolset.options.get("ref")
    if ref is not None and not str(ref.plain()).startswith("docker:"):
        yield ref.error("must begin with 'docker:'; the definitions of mcps name no others")


def _harness_problems(harness: Harness) -> Iterator[ConfigError]:
    if harness.effort and harness.type != "claude-code":
        yield harness.error("can only be used with type claude-code", "effort")
    for key in ("agent", "thinking"):
        if harness.source.get(key) is not None and harness.type != "opencode":
            yield harness.error("can only be used with type opencode", key)


def _url_problems(placed: Placed, url: str) -> Iterator[ConfigError]:
    if not url or "$" in url:
        return
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        valid = False
    if not valid:
        yield placed.error(f"{url!r} is no address; write one such as https://host/v1", "base_url")


def _auth_problems(auth: Auth | None) -> Iterator[ConfigError]:
    """Source: agent-file.md §2.8.2."""
    if auth is None:
        return
    if auth.type != _FEDERATION:
        yield auth.error(f"the only type there is is {_FEDERATION}", "type")
    federation = auth.workload_identity_federation
    if federation is None:
        yield auth.error(f"the key {_FEDERATION!r} is missing")
        return
    if not federation.federation_rule_id.startswith("fdrl_"):
        yield federation.error("must begin with 'fdrl_'", "federation_rule_id")
    if not federation.organization_id:
        yield federation.error("the key 'organization_id' is missing")
    account = federation.service_account_id
    if account and not account.startswith("svac_"):
        yield federation.error("must begin with 'svac_'", "service_account_id")
    if federation.identity_token is None:
        yield federation.error("the key 'identity_token' is missing")
    else:
        yield from _token_problems(federation.identity_token)


def _token_problems(token: IdentityToken) -> Iterator[ConfigError]:
    given = [key for key in ("file", "env", "command", "url") if getattr(token, key)]
    if len(given) != 1:
        yield token.error("exactly one of file, env, command or url is needed")
    if not all(word.strip() for word in token.command):
        yield token.error("must not hold blank words", "command")
    if not token.url and (token.headers or token.response_field):
        yield token.error("'headers' and 'response_field' need 'url'")


def _as_list(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value
