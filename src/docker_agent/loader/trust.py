"""What a file from a registry or URL may learn of this machine: settings, never secrets, until the
operator says with `--safety` that it may.

Source: agent-file.md §6, chat-server.md §6.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from docker_agent.addresses import ip_address, is_public
from docker_agent.config.agent_file import AgentFile
from docker_agent.config.expand import expand_shell, variable_names
from docker_agent.config.model import Model
from docker_agent.env.chain import Secrets, settings_of
from docker_agent.errors import ConfigError
from docker_agent.loader.models import in_use
from docker_agent.loader.rag import embedding_references
from docker_agent.models.endpoints import ENDPOINTS
from docker_agent.models.resolve import Resolved, resolve
from docker_agent.models.table import BEDROCK
from docker_agent.registry.reference import is_this_machine
from docker_agent.tools.environment import looks_secret

log = logging.getLogger(__name__)

_OWN_KEYS = {
    "anthropic": ("ANTHROPIC_API_KEY",),
    "google": ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    "chatgpt": ("CHATGPT_OAUTH_TOKEN",),
}
"""Keys of providers with a protocol of their own, by provider."""

_OWN_HOSTS = {
    "ANTHROPIC_API_KEY": ("api.anthropic.com",),
    "GOOGLE_API_KEY": ("generativelanguage.googleapis.com",),
    "GEMINI_API_KEY": ("generativelanguage.googleapis.com",),
    "CHATGPT_OAUTH_TOKEN": ("chatgpt.com",),
    "AZURE_API_KEY": (".openai.azure.com", ".services.ai.azure.com"),
    "GITHUB_TOKEN": ("api.githubcopilot.com", "models.github.ai"),
}
"""Where keys may go beside the addresses of `ENDPOINTS`; with a dot before, anything below."""

_AWS_HOSTS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")

_REMEDY = "if you trust the file, start it with an explicit --safety"


class Words:
    """The variables that may stand in texts a model reads: those of env files and of the process
    that do not look like secrets. What is held back is empty, and named in the log once."""

    def __init__(self, secrets: Secrets, withheld: Iterable[str], file: str) -> None:
        self._settings = settings_of(secrets)
        self._withheld = frozenset(withheld)
        self._file = file
        self._told: set[str] = set()

    def get(self, name: str) -> str | None:
        """The value of a setting."""
        if not looks_secret(name) and name not in self._withheld:
            return self._settings.get(name)
        if name not in self._told:
            self._told.add(name)
            log.warning(
                "%s is not on this machine, so %s, which looks like a secret, is empty in its "
                "texts; %s",
                self._file,
                name,
                _REMEDY,
            )
        return None


class Told:
    """All variables; the first use of each that looks like a secret is named in the log."""

    def __init__(self, secrets: Secrets, file: str) -> None:
        self._secrets = secrets
        self._file = file
        self._told: set[str] = set()

    def get(self, name: str) -> str | None:
        """The value of a variable."""
        value = self._secrets.get(name)
        if value and looks_secret(name) and name not in self._told:
            self._told.add(name)
            log.warning("%s is not on this machine, and its tools use %s", self._file, name)
        return value


def refuse_leaks(file: AgentFile, secrets: Secrets) -> None:
    """Raise `ConfigError` for a model that would send a provider's key, or a secret in its address,
    to somebody else."""
    for name in dict.fromkeys((*in_use(file), *embedding_references(file))):
        model = file.models.get(name)
        if model is not None and not model.is_selector and not model.is_alloy:
            _refuse_leak(model, file, secrets.get)


def _refuse_leak(model: Model, file: AgentFile, env: Callable[[str], str | None]) -> None:
    resolved = resolve(model, file.providers)
    inherited = resolved.inherited
    if resolved.protocol == BEDROCK:
        _refuse_aws_leak(resolved, env)
    placed = (str(resolved.options.get(name, "")) for name in ("project", "location"))
    shown = variable_names(" ".join((inherited.base_url, inherited.model, *placed)))
    for name in sorted(shown):
        if looks_secret(name):
            raise model.error(
                f"would put {name} into an address, and the file is not on this machine; {_REMEDY}"
            )
    if not inherited.base_url:
        return
    try:
        host = (urlsplit(expand_shell(inherited.base_url, env)).hostname or "").lower()
    except (ConfigError, ValueError):
        return
    own = _OWN_KEYS.get(resolved.provider, ()) if resolved.key is None else ()
    for name in filter(None, (resolved.key, resolved.optional_key, *own)):
        if name in _known_keys() and env(name) and not _may_go(name, host):
            raise model.error(
                f"would send {name} to {host}, and the file is not on this machine; {_REMEDY}",
                "base_url",
            )


def _refuse_aws_leak(resolved: Resolved, env: Callable[[str], str | None]) -> None:
    """Credentials of AWS may come from anywhere on this machine: a file from elsewhere names no
    other receiver for them, no profile and no role."""
    for name in ("profile", "role_arn"):
        if resolved.options.get(name):
            raise resolved.declared.error(
                f"would use the AWS {name} {resolved.options[name]!r}, and the file is not on this "
                f"machine; {_REMEDY}",
                "provider_opts",
            )
    named = str(resolved.options.get("endpoint_url") or resolved.base_url)
    try:
        host = (urlsplit(expand_shell(named, env)).hostname or "").lower()
    except (ConfigError, ValueError):
        return
    if host and not host.endswith(_AWS_HOSTS) and not _is_own(host):
        raise resolved.declared.error(
            f"would send AWS credentials to {host}, and the file is not on this machine; {_REMEDY}",
            "provider_opts",
        )


def _known_keys() -> frozenset[str]:
    return frozenset(row.key for row in ENDPOINTS.values() if row.key) | _OWN_HOSTS.keys()


def _may_go(key: str, host: str) -> bool:
    """Whether a provider's key may go to a host: to its own ones, and to a private network, which
    is the operator's."""
    if _is_own(host):
        return True
    own = {urlsplit(row.base_url).hostname for row in ENDPOINTS.values() if row.key == key}
    also = _OWN_HOSTS.get(key, ())
    return host in own or any(
        host == each or (each.startswith(".") and host.endswith(each)) for each in also
    )


def _is_own(host: str) -> bool:
    """Whether a host is of a private network, which is the operator's."""
    address = ip_address(host)
    return is_this_machine(host) or (address is not None and not is_public(address))
