"""`${…}` in fields of an agent file: the shell-like form, the literal-safe form, and templates."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Literal

from docker_agent.errors import ConfigError
from docker_agent.messages import JSON

Lookup = Callable[[str], str | None]
"""The value of a variable, None when nobody has it."""

_SHELL = re.compile(
    r"\$\{[ \t]*env\.([A-Za-z_][A-Za-z0-9_]*)[ \t]*\}"
    r"|\$\{([A-Za-z_][A-Za-z0-9_]*)\}"
    r"|\$([A-Za-z_][A-Za-z0-9_]*)"
)
_PLAIN_ENV = re.compile(r"\$\{[ \t]*env\.([A-Za-z_][A-Za-z0-9_]*)[ \t]*\}")
_BARE_NAME = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def expand_shell(text: str, env: Lookup, missing: Literal["error", "empty"] = "error") -> str:
    """`text` with `${env.X}`, `${X}` and `$X` replaced; any other `$` stays.

    An unset variable is an empty text, or a `ConfigError` naming it. Source: agent-file.md §1.6.
    """

    def value(match: re.Match[str]) -> str:
        name = _name(match)
        found = env(name)
        if found is None and missing == "error":
            raise ConfigError(f"environment variable {name} not set")
        return found or ""

    return _SHELL.sub(value, text) if "$" in text else text


def expand_literal(text: str, env: Lookup) -> str:
    """`text` with plain `${env.X}` replaced, an unset one by nothing; every other `$` stays.

    Source: agent-file.md §1.6, for the `env` values of hooks and script tools.
    """
    return _PLAIN_ENV.sub(lambda match: env(match[1]) or "", text)


def variable_names(text: str) -> set[str]:
    """The variables that `expand_shell` would ask for."""
    return {_name(match) for match in _SHELL.finditer(text)}


def expand_template(text: str, env: Lookup, values: Mapping[str, JSON] | None = None) -> str:
    """`text` read as a JavaScript template literal, whose `env` answers any name, an unset one
    with an empty text; `values` are further names it may use.

    What cannot be evaluated stays as it is. JavaScript starts only for more than plain `${env.X}`;
    it has 0.2 s and 16 MiB. Source: agent-file.md §1.6.
    """
    if "${" not in text:
        return text
    if text.count("${") == len(_PLAIN_ENV.findall(text)):
        return expand_literal(text, env)
    from docker_agent.config.template import evaluate

    return evaluate(text, env, values or {})


def needless_template_warning(text: str) -> str | None:
    """A sentence for the log when a template holds `${NAME}` but no `${env.…}`: it stays as it is,
    which its author hardly meant. None when there is nothing to say."""
    if "${env." in text:
        return None
    found = _BARE_NAME.search(text)
    return f"{found[0]} stays as it is; write ${{env.{found[1]}}}" if found else None


def _name(match: re.Match[str]) -> str:
    return match[1] or match[2] or match[3]
