"""What a process that a tool starts may know: the server's environment without its secrets, and
what the agent file adds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase

from docker_agent.config import readers
from docker_agent.config.expand import Lookup, expand_shell
from docker_agent.config.tree import Raw
from docker_agent.errors import ConfigError

_CREDENTIALS = (
    "*_KEY",
    "*_KEYS",
    "*_KEY_ID",
    "*APIKEY*",
    "*API_KEY*",
    "*ACCESS_KEY*",
    "*ACCESSKEY*",
    "*PRIVATE_KEY*",
    "*TOKEN",
    "*_TOKENS",
    "*_TOKEN_*",
    "*BEARER*",
    "*SECRET*",
    "*PASSWORD*",
    "*PASSWD*",
    "*PASSPHRASE*",
    "*_PASS",
    "MYSQL_PWD",
    "*_PAT",
    "*_JWT",
    "*CREDENTIAL*",
)


def scrubbed(environ: Mapping[str, str], withheld: Collection[str] = ()) -> dict[str, str]:
    """The environment without variables that look like credentials, provider keys among them, and
    without those of `withheld`.

    Source: runtime.md §9.2, chat-server.md §6.
    """
    return {
        name: value
        for name, value in environ.items()
        if name not in withheld and not looks_secret(name)
    }


def looks_secret(name: str) -> bool:
    """Whether a variable of this name usually holds a credential."""
    return any(fnmatchcase(name.upper(), pattern) for pattern in _CREDENTIALS)


def own_environment(raw: Raw | None, env: Lookup) -> dict[str, str]:
    """The `env` of a toolset with its values expanded; nothing declared is nothing.

    Raises `ConfigError`, with its line, for a variable that is not set and for names and values
    that no environment can hold. Source: runtime.md §8.6.
    """
    found: dict[str, str] = {}
    for name, value in raw.items() if raw is not None else ():
        if value.is_null:
            continue
        refuse_unusable_name(name, value)
        try:
            text = expand_shell(readers.text(value), env)
        except ConfigError as exc:
            raise value.error(str(exc)) from exc
        if "\0" in text:
            raise value.error("holds a NUL character, which no environment can hold")
        found[name] = text
    return found


def refuse_unusable_name(name: str, where: Raw) -> None:
    """Raise `ConfigError` for what cannot be the name of a variable."""
    if not name or "=" in name or "\0" in name:
        raise where.error(f"{name!r} cannot be the name of an environment variable")
