"""From the flags of `serve chat` to everything a server needs, checked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from docker_agent.cli.flags import HOOK_FLAGS, Globals, configure_log
from docker_agent.cli.listen import Listen, parse_listen
from docker_agent.cli.load_flags import LoadFlags
from docker_agent.cli.opening import opened
from docker_agent.cli.reloading import Watching
from docker_agent.cli.serving import LoopName, Serving, serve_until_stopped
from docker_agent.env.blot import blot_environment
from docker_agent.env.chain import Secrets
from docker_agent.errors import ConfigError
from docker_agent.hooks.port import HookEvent
from docker_agent.permissions import SafetyMode
from docker_agent.server.activity import Mode
from docker_agent.server.auth import host_name
from docker_agent.server.cors import Cors
from docker_agent.server.keys import Keys
from docker_agent.server.rate import parse_rate
from docker_agent.server.settings import DEFAULT_MAX_REQUEST_SIZE, ServerSettings
from docker_agent.server.telemetry import SECRET_VARIABLES
from docker_agent.tools.environment import looks_secret

_LOOPBACK_ADVICE = (
    "anybody who can reach this address could use your agents and their tools; protect it with "
    "--api-key-env NAME, listen on 127.0.0.1, or say --insecure-no-auth if you mean it"
)


class Flags(msgspec.Struct, frozen=True):
    """The command's flags as given; times are seconds, sizes bytes."""

    agent: str | None
    listen: str
    api_key: str | None
    api_key_env: str | None
    insecure_no_auth: bool
    allowed_host: tuple[str, ...]
    safety: SafetyMode | None
    request_timeout: float
    max_request_size: int
    max_turns: int
    keep_alive: float
    cors_origin: str
    api_keys_file: str | None
    conversations_max: int
    conversation_ttl: float
    conversations: str
    max_idle_runtimes: int
    strict_models: bool
    model_alias: dict[str, str]
    client_tools: str
    on_disconnect: Literal["cancel", "finish"]
    max_concurrency: int
    rate_limit: str
    tool_events: Mode
    shutdown_timeout: float
    working_dir: str | None
    env_from_file: tuple[str, ...]
    loop: LoopName
    cost_header: bool
    watch: bool
    pull_interval: float
    models_gateway: str | None
    fake: str | None
    record: str | None
    refresh_models: bool = False
    code_mode_tools: bool = False
    hook_pre_tool_use: tuple[str, ...] = ()
    hook_post_tool_use: tuple[str, ...] = ()
    hook_session_start: tuple[str, ...] = ()
    hook_session_end: tuple[str, ...] = ()
    hook_on_user_input: tuple[str, ...] = ()
    hook_stop: tuple[str, ...] = ()


def serve(options: Globals, agent_file: str, flags: Flags) -> None:
    """Serve until a signal. Raises `ConfigError` when the start fails."""
    configure_log(options)
    blot_environment(lambda name: name == flags.api_key_env or looks_secret(name))
    serve_until_stopped(_serving(options, agent_file, flags))


def ask(options: Globals, agent_file: str, flags: Flags, messages: Sequence[str]) -> None:
    """Ask the agent these messages instead of serving it. Raises `ConfigError`."""
    from docker_agent.cli import asking

    configure_log(options)
    asyncio.run(asking.ask(_serving(options, agent_file, flags), messages))


def _serving(options: Globals, agent_file: str, flags: Flags) -> Serving:
    """Everything a server needs, checked. Raises `ConfigError`."""
    listen = parse_listen(flags.listen)
    if flags.fake and flags.record:
        raise ConfigError("--fake and --record: a replay cannot be recorded", usage=True)
    loaded = opened(
        options,
        agent_file,
        _load_flags(flags),
        at_home=listen.is_loopback,
        replay=flags.fake is not None,
        withheld=SECRET_VARIABLES | frozenset(filter(None, [flags.api_key_env])),
    )
    keys = Keys(
        _given_keys(flags, loaded.secrets),
        Path(flags.api_keys_file).absolute() if flags.api_keys_file else None,
    )
    if not listen.is_loopback and not keys.any and not flags.insecure_no_auth:
        raise ConfigError(f"--listen {flags.listen} needs a key: {_LOOPBACK_ADVICE}")
    safety = loaded.overrides.safety
    return Serving(
        source=loaded.source,
        overrides=loaded.overrides,
        secrets=loaded.secrets,
        listen=listen,
        keys=keys,
        cors=Cors(flags.cors_origin),
        conversations=flags.conversations,
        shutdown_timeout=flags.shutdown_timeout,
        settings=_settings(flags, listen, safety, any_key=keys.any),
        loop=flags.loop,
        watching=Watching(flags.watch, flags.pull_interval),
        otel=options.otel,
        fake=Path(flags.fake).absolute() if flags.fake else None,
        record=Path(flags.record).absolute() if flags.record else None,
        refresh_models=flags.refresh_models and flags.fake is None,
    )


def _load_flags(flags: Flags) -> LoadFlags:
    return LoadFlags(
        agent=flags.agent,
        safety=flags.safety,
        working_dir=flags.working_dir,
        env_from_file=flags.env_from_file,
        models_gateway=flags.models_gateway,
        hooks=_hooks(flags),
        code_mode=flags.code_mode_tools,
    )


def _hooks(flags: Flags) -> dict[HookEvent, tuple[str, ...]]:
    """The commands of the `--hook-*` flags by event; blank ones are none."""
    given: dict[HookEvent, tuple[str, ...]] = {
        event: tuple(one for one in getattr(flags, f"hook_{event}") if one.strip())
        for event in HOOK_FLAGS
    }
    return {event: commands for event, commands in given.items() if commands}


def _settings(flags: Flags, listen: Listen, safety: SafetyMode, *, any_key: bool) -> ServerSettings:
    hosts = listen.hosts() | {host_name(name) for name in flags.allowed_host}
    size = flags.max_request_size
    return ServerSettings(
        hosts=None if any_key or flags.insecure_no_auth or listen.is_unix else hosts,
        entry=flags.agent,
        safety=safety,
        max_request_size=size if size > 0 else DEFAULT_MAX_REQUEST_SIZE,
        request_timeout=flags.request_timeout,
        max_turns=flags.max_turns,
        keep_alive=flags.keep_alive,
        conversations_max=flags.conversations_max,
        conversation_ttl=flags.conversation_ttl,
        strict_models=flags.strict_models,
        aliases=flags.model_alias,
        client_tools=_client_tools(flags.client_tools),
        tell_cost=flags.cost_header,
        finish_alone=flags.on_disconnect == "finish",
        max_concurrency=flags.max_concurrency,
        rate=parse_rate(flags.rate_limit),
        tool_events=flags.tool_events,
    )


def _client_tools(flag: str) -> frozenset[str] | None:
    match flag.strip().lower():
        case "on":
            return None
        case "off" | "":
            return frozenset()
        case _:
            return frozenset(name.strip() for name in flag.split(",") if name.strip())


def _given_keys(flags: Flags, secrets: Secrets) -> tuple[str, ...]:
    keys = [flags.api_key] if flags.api_key else []
    if flags.api_key_env is not None:
        value = secrets.get(flags.api_key_env)
        if not value:
            raise ConfigError(
                f"--api-key-env {flags.api_key_env}: the variable is not set or empty; "
                "set it, or leave the flag out to serve without a key"
            )
        keys.append(value)
    return tuple(keys)
