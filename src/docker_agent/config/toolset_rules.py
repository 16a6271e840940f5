"""Which keys a toolset may and must have, by its type. Source: agent-file.md §2.9."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import msgspec

from docker_agent.config.convert import convert, convert_as, did_you_mean
from docker_agent.config.marks import Count
from docker_agent.config.rag import RagSource
from docker_agent.config.rag_rules import rag_problems
from docker_agent.config.toolset import ApiTool, Lifecycle, PostEdit, Remote, ScriptTool, Toolset
from docker_agent.config.tree import Raw
from docker_agent.errors import ConfigError

TYPES = frozenset(
    (
        *("a2a", "api", "background_agents", "background_jobs", "fetch", "filesystem", "lsp"),
        *("mcp", "mcp_catalog", "memory", "model_picker", "open_url", "openapi", "plan", "rag"),
        *("python", "script", "session_context", "session_plan", "shell", "tasks", "think", "todo"),
        "user_prompt",
    )
)


class Key(msgspec.Struct, frozen=True):
    """What a key holds, and the types of toolset that may have it."""

    hint: Any
    types: frozenset[str]


def _key(hint: Any, types: str) -> Key:  # noqa: ANN401 - any hint a field may have
    return Key(hint, frozenset(types.split()))


KEYS: Mapping[str, Key] = MappingProxyType(
    {
        "env": _key(Mapping[str, str], "shell background_jobs script mcp lsp"),
        "working_dir": _key(str, "mcp lsp"),
        "version": _key(str, "mcp lsp"),
        "command": _key(str, "mcp lsp"),
        "args": _key(tuple[str, ...], "mcp lsp"),
        "ref": _key(str, "mcp python rag"),
        "remote": _key(Remote, "a2a mcp"),
        "config": _key(Raw, "mcp"),
        "lifecycle": _key(Lifecycle, "mcp lsp"),
        "url": _key(str, "a2a openapi open_url"),
        "headers": _key(Mapping[str, str], "openapi a2a fetch"),
        "timeout": _key(Count, "fetch api openapi a2a python"),
        "allow_private_ips": _key(bool, "fetch api openapi a2a mcp mcp_catalog"),
        "allowed_domains": _key(tuple[str, ...], "fetch"),
        "blocked_domains": _key(tuple[str, ...], "fetch"),
        "allow_list": _key(tuple[str, ...], "filesystem"),
        "deny_list": _key(tuple[str, ...], "filesystem"),
        "ignore_vcs": _key(bool, "filesystem"),
        "post_edit": _key(tuple[PostEdit, ...], "filesystem"),
        "path": _key(str, "memory tasks"),
        "shared": _key(bool, "todo"),
        "shell": _key(Mapping[str, ScriptTool], "script"),
        "api_config": _key(ApiTool, "api"),
        "file_types": _key(tuple[str, ...], "lsp"),
        "sudo_askpass": _key(bool, "shell"),
        "safer": _key(bool, "shell"),
        "recall": _key(bool, "background_jobs"),
        "models": _key(tuple[str, ...], "model_picker"),
        "allowed_servers": _key(tuple[str, ...], "mcp_catalog"),
        "blocked_servers": _key(tuple[str, ...], "mcp_catalog"),
        "rag_config": _key(RagSource, "rag"),
    }
)
NAMED_TYPES = frozenset({"mcp", "a2a", "rag", "open_url"})
REQUIRED: Mapping[str, str] = MappingProxyType(
    {
        "lsp": "command",
        "a2a": "url",
        "openapi": "url",
        "open_url": "url",
        "model_picker": "models",
        "python": "ref",
    }
)
_RENAMED = MappingProxyType({"switch_model": "model_picker"})
"""Types of files from before there were versions for them, and what they became."""
_LISTS_OF_DOMAINS = ("allowed_domains", "blocked_domains")
_LISTS_WITHOUT_BLANKS = ("allow_list", "deny_list", "allowed_servers", "blocked_servers", "models")
_SHARED_KEYS = ("type", "name", "tools", "instruction", "toon", "readonly", "model", "defer")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?")


def toolset_problems(toolset: Toolset) -> Iterator[ConfigError]:
    """Everything wrong with one toolset on its own."""
    if not toolset.type:
        yield toolset.error("the key 'type' is missing")
        return
    if toolset.type not in TYPES:
        hint = did_you_mean(_RENAMED.get(toolset.type, toolset.type), TYPES)
        hint = hint or f"; use one of {', '.join(sorted(TYPES))}"
        yield toolset.error(f"{toolset.type!r} is no toolset{hint}", "type")
        return
    if toolset.name and toolset.type not in NAMED_TYPES:
        yield _misplaced(toolset, "name", NAMED_TYPES)
    wrong = [*_key_problems(toolset)]
    yield from wrong
    if not wrong:
        yield from _rule_problems(toolset)


def _key_problems(toolset: Toolset) -> Iterator[ConfigError]:
    for key, mark in toolset.options.key_marks():
        if key not in KEYS:
            hint = did_you_mean(key, (*KEYS, *_SHARED_KEYS))
            yield toolset.source.error(f"unknown key {key!r}{hint}", line=mark.line)
            continue
        value = toolset.options.get(key)
        if value is None:
            continue
        if toolset.type not in KEYS[key].types:
            yield _misplaced(toolset, key, KEYS[key].types)
            continue
        try:
            convert_as(value, KEYS[key].hint)
        except ConfigError as exc:
            yield exc


def _misplaced(toolset: Toolset, key: str, types: frozenset[str]) -> ConfigError:
    allowed = ", ".join(sorted(types))
    return toolset.source.key_error(
        key, f"{key!r} can only be used with type {allowed}, not with {toolset.type}"
    )


def _rule_problems(toolset: Toolset) -> Iterator[ConfigError]:
    options = toolset.options
    needed = REQUIRED.get(toolset.type)
    if needed is not None and not _filled(options, needed):
        yield toolset.error(f"a toolset of type {toolset.type} needs the key {needed!r}")
    if toolset.type == "rag":
        inline = options.get("rag_config")
        if not _filled(options, "ref") and inline is None:
            yield toolset.error("a toolset of type rag needs 'ref' or 'rag_config'")
        elif inline is not None:
            yield from rag_problems(convert(inline, RagSource))
    for key in _LISTS_OF_DOMAINS:
        yield from _each_text(options, key, _domain_problem)
    for key in _LISTS_WITHOUT_BLANKS:
        yield from _each_text(options, key, _blank_problem)
    if all(_filled(options, key) for key in _LISTS_OF_DOMAINS):
        yield options.key_error(
            "blocked_domains", "'allowed_domains' and 'blocked_domains' exclude each other"
        )
    if toolset.type == "mcp":
        yield from _mcp_problems(toolset)
    if toolset.type == "a2a":
        yield from _a2a_problems(options)


def _a2a_problems(options: Raw) -> Iterator[ConfigError]:
    """Of `remote` an agent has the headers alone."""
    remote = options.get("remote")
    if remote is None:
        return
    for key, _ in remote.key_marks():
        if key != "headers":
            yield remote.key_error(
                key, f"{key!r} can only be used with type mcp; an agent has its own 'url'"
            )


def _mcp_problems(toolset: Toolset) -> Iterator[ConfigError]:
    options = toolset.options
    remote = options.get("remote")
    sources = [key for key in ("command", "ref") if _filled(options, key)]
    if remote is not None:
        sources.append("remote")
    if len(sources) != 1:
        found = " and ".join(sources) if sources else "none of them"
        yield toolset.error(f"exactly one of command, remote.url or ref is needed; found {found}")
        return
    if sources == ["command"] and options.get("allow_private_ips"):
        yield options.key_error(
            "allow_private_ips", "'allow_private_ips' needs a remote server or a ref"
        )
    if remote is not None:
        if not _filled(remote, "url"):
            yield remote.error("the key 'url' is missing")
        if options.get("working_dir"):
            yield options.key_error(
                "working_dir", "'working_dir' cannot be used with a remote server"
            )
        yield from _oauth_problems(convert(remote, Remote))


def _oauth_problems(remote: Remote) -> Iterator[ConfigError]:
    oauth = remote.oauth
    if oauth is None:
        return
    if not oauth.client_id.strip():
        yield oauth.error("the key 'clientId' is missing")
    if oauth.callback_redirect_url:
        url = oauth.callback_redirect_url.replace("${callbackPort}", "1")
        if not _is_safe_redirect(url):
            yield oauth.error(
                "must be an absolute https address, or http on a loopback host",
                "callbackRedirectURL",
            )


def _is_safe_redirect(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        return False
    if parts.scheme == "https":
        return bool(host)
    return parts.scheme == "http" and _is_loopback(host)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _filled(raw: Raw, key: str) -> bool:
    value = raw.get(key)
    return value is not None and value.plain() not in ("", [])


def _each_text(
    options: Raw, key: str, problem: Callable[[str], str | None]
) -> Iterator[ConfigError]:
    value = options.get(key)
    for item in value.elements() if value is not None else ():
        found = problem(convert_as(item, str))
        if found:
            yield item.error(found)


def _blank_problem(text: str) -> str | None:
    if not text.strip():
        return "must not be blank"
    return "must not hold a NUL character" if "\0" in text else None


def _domain_problem(text: str) -> str | None:
    """Source: agent-file.md §2.9, `allowed_domains`."""
    if not text.strip():
        return "must not be blank"
    if "/" in text:
        try:
            ipaddress.ip_network(text.strip(), strict=False)
        except ValueError:
            return f"{text!r} is no network; write one such as '10.0.0.0/8'"
        return None
    host = text.strip().removeprefix("*.").removeprefix(".").removesuffix(".")
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        if not _HOST.fullmatch(host.encode("idna").decode() if _is_international(host) else host):
            return f"{text!r} is no host; write 'example.com', '.example.com' or '10.0.0.0/8'"
    return None


def _is_international(host: str) -> bool:
    if host.isascii():
        return False
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return True
