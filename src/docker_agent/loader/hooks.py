"""From what an agent file and the command line say of hooks to the live hooks of one agent."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

from docker_agent.config import agent_file as declared
from docker_agent.config.convert import did_you_mean
from docker_agent.config.expand import expand_literal
from docker_agent.config.hooks import Hook as DeclaredHook
from docker_agent.config.hooks import Hooks as DeclaredHooks
from docker_agent.config.hooks import Matcher
from docker_agent.errors import ConfigError
from docker_agent.hooks.command import Command, command_hook
from docker_agent.hooks.events import EVENTS
from docker_agent.hooks.fire import Entry, Firing
from docker_agent.hooks.model import model_hook
from docker_agent.hooks.port import Hook, HookEvent, Hooks
from docker_agent.hooks.redaction import Redaction
from docker_agent.hooks.table import BUILTINS, REDACTING, Opening

log = logging.getLogger(__name__)

DEFAULT_SECONDS = 60.0
"""How long a hook may take when its file does not say (runtime.md §12.1)."""

REDACT = "redact_secrets"
ALWAYS_ON = "limit_large_tool_results"

NO_EFFECT = {
    "snapshot": "a server takes no snapshots of the working directory",
    "cache_response": "the agent's `cache` does this by itself",
    "unload": "model runners let go of idle models by themselves",
}
"""Builtins that mean nothing in a server."""

REFUSED = {
    "add_user_info": "it would tell every caller the account that the server runs as",
}


def agent_hooks(
    agent: declared.Agent,
    opening: Opening,
    flags: Mapping[HookEvent, tuple[str, ...]],
    *,
    trusted: bool,
) -> Hooks:
    """The hooks of one agent: those of its file, those its flags ask for, those of the command
    line.

    `trusted` is false for a file from a registry or URL whose safety mode the operator did not
    choose. Raises `ConfigError` for what cannot be honoured.
    """
    keeps_secrets = agent.redact_secrets is not False
    building = _Building(opening, trusted=trusted, keeps_secrets=keeps_secrets)
    building.add_environment_info(agent)
    if agent.hooks is not None:
        building.add_declared(agent.hooks)
    building.add_wishes(agent)
    for event, commands in flags.items():
        for command in commands:
            building.add_flag(event, command)
    return building.done()


class _Building:
    """Entries by event, in the order in which they count."""

    def __init__(self, opening: Opening, *, trusted: bool, keeps_secrets: bool) -> None:
        self._opening = opening
        self._keeps_secrets = keeps_secrets
        self._trusted = trusted
        self._by_event: dict[HookEvent, list[Entry]] = {}
        self._redacting: set[str] = set()

    def add_environment_info(self, agent: declared.Agent) -> None:
        """What stands before the file's own `session_start` hooks (agent-file.md §4.1)."""
        if agent.add_environment_info:
            self._add_builtin("session_start", "add_environment_info", ())

    def add_wishes(self, agent: declared.Agent) -> None:
        """What an agent's flags ask for, after the file's own hooks."""
        if agent.add_date:
            self._add_builtin("turn_start", "add_date", ())
        if agent.add_prompt_files:
            self._add_builtin("turn_start", "add_prompt_files", agent.add_prompt_files)
        if self._keeps_secrets:
            self._redacting.update(REDACTING.values())

    def add_flag(self, event: HookEvent, command: str) -> None:
        """A command of the command line, for all tools."""
        entry = self._command(DeclaredHook(type="command", command=command), command)
        self._add(event, Entry(entry, command, seconds=DEFAULT_SECONDS, key=("command", command)))

    def add_declared(self, hooks: DeclaredHooks) -> None:
        """The file's own hooks, event by event."""
        for event, hook, matcher in _each(hooks):
            if EVENTS[event].never:
                log.warning("%s", hook.error(f"{event} hooks never run in a server"))
            if hook.type == "builtin":
                check_builtin(event, hook)
                if self._is_special(event, hook):
                    continue
            made = self._hook(event, hook)
            seconds = float(hook.timeout if hook.timeout > 0 else DEFAULT_SECONDS)
            if hook.type == "builtin" and BUILTINS[hook.command].quick:
                seconds = 0.0
            self._add(
                event,
                Entry(
                    made,
                    hook.name or hook.command or hook.model,
                    None if matcher is None else _pattern(matcher),
                    seconds,
                    hook.on_error,
                    (hook.type, hook.command, hook.args, hook.model, hook.prompt),
                    untrusted=not self._trusted,
                ),
            )

    def done(self) -> Hooks:
        """The hooks."""
        redaction = Redaction(
            in_arguments="arguments" in self._redacting,
            in_messages="messages" in self._redacting,
            in_results="results" in self._redacting,
        )
        return Firing(self._by_event, redaction)

    def _add(self, event: HookEvent, entry: Entry) -> None:
        self._by_event.setdefault(event, []).append(entry)

    def _add_builtin(self, event: HookEvent, name: str, args: tuple[str, ...]) -> None:
        row = BUILTINS[name]
        seconds = 0.0 if row.quick else DEFAULT_SECONDS
        key = ("builtin", name, args, "", "")
        self._add(event, Entry(row.make(self._opening, args), name, seconds=seconds, key=key))

    def _is_special(self, event: HookEvent, hook: DeclaredHook) -> bool:
        """Builtins that are no entries: always on, fixed in place, or without a meaning here."""
        name = hook.command
        if name in NO_EFFECT:
            log.warning("%s", hook.error(f"{name} has no effect: {NO_EFFECT[name]}", "command"))
        elif name == REDACT:
            self._redacting.add(REDACTING[event])
        return name in NO_EFFECT or name in (REDACT, ALWAYS_ON)

    def _hook(self, event: HookEvent, hook: DeclaredHook) -> Hook:
        match hook.type:
            case "command":
                if not self._trusted:
                    raise hook.error(
                        "a command of a file that is not on this machine runs only when you say "
                        "--safety MODE",
                        "command",
                    )
                return self._command(hook, hook.command)
            case "builtin":
                return self._builtin(hook)
            case "model":
                return self._model(hook)

    def _builtin(self, hook: DeclaredHook) -> Hook:
        try:
            return BUILTINS[hook.command].make(self._opening, hook.args)
        except ConfigError as exc:
            raise hook.error(str(exc), "args") from exc

    def _model(self, hook: DeclaredHook) -> Hook:
        try:
            return model_hook(
                self._opening.models[hook.model],
                hook.prompt,
                hook.schema,
                redacting=self._keeps_secrets,
            )
        except ConfigError as exc:
            raise hook.error(str(exc), "prompt") from exc

    def _command(self, hook: DeclaredHook, text: str) -> Hook:
        opening = self._opening
        own = {name: expand_literal(value, opening.env) for name, value in hook.env.items()}
        directory = opening.working_dir / Path(hook.working_dir).expanduser()
        command = Command(text, hook.args, directory, {**opening.environ, **own})
        return command_hook(command, opening.slots)


def check_builtin(event: HookEvent, hook: DeclaredHook) -> None:
    """Whether there is such a builtin, and for this event. Raises `ConfigError`."""
    name = hook.command
    if name in REFUSED:
        raise hook.error(f"the hook {name} cannot be served: {REFUSED[name]}", "command")
    if name == REDACT and event not in REDACTING:
        raise _misplaced(hook, tuple(REDACTING))
    if name in NO_EFFECT or name in (REDACT, ALWAYS_ON):
        return
    row = BUILTINS.get(name)
    if row is None:
        known = sorted((*BUILTINS, REDACT, ALWAYS_ON))
        hint = did_you_mean(name, known) or f"; use one of {', '.join(known)}"
        raise hook.error(f"there is no builtin hook '{name}'{hint}", "command")
    if row.events and event not in row.events:
        raise _misplaced(hook, row.events)


def builtin_problems(agent: declared.Agent) -> Iterator[ConfigError]:
    """What is wrong with an agent's builtin hooks, known without making any."""
    for event, hook, _ in _each(agent.hooks) if agent.hooks is not None else ():
        try:
            if hook.type == "builtin":
                check_builtin(event, hook)
        except ConfigError as exc:
            yield exc


def models_of(agent: declared.Agent) -> list[str]:
    """The models that the agent's hooks ask."""
    if agent.hooks is None:
        return []
    return [hook.model for hook in agent.hooks.every() if hook.type == "model"]


def posts(agent: declared.Agent) -> bool:
    """Whether a hook of the agent sends something to the web."""
    hooks = agent.hooks.every() if agent.hooks is not None else ()
    return any(hook.type == "builtin" and hook.command == "http_post" for hook in hooks)


def _each(hooks: DeclaredHooks) -> Iterator[tuple[HookEvent, DeclaredHook, Matcher | None]]:
    """Every hook with its event, and its matcher where the event has them."""
    for event in EVENTS:
        entries: tuple[DeclaredHook | Matcher, ...] = getattr(hooks, event)
        for entry in entries:
            if isinstance(entry, Matcher):
                for hook in entry.hooks:
                    yield event, hook, entry
            else:
                yield event, entry, None


def _pattern(matcher: Matcher) -> re.Pattern[str] | None:
    if matcher.matcher in ("", "*"):
        return None
    with warnings.catch_warnings(action="ignore"):
        return re.compile(matcher.matcher)


def _misplaced(hook: DeclaredHook, events: tuple[HookEvent, ...]) -> ConfigError:
    return hook.error(f"{hook.command} belongs under {', '.join(events)}", "command")
