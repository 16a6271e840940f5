"""What a live team and a mere look at its file have in common: what tools may use, and the rules
for their calls."""

from __future__ import annotations

import logging

import msgspec

from docker_agent.config.agent_file import AgentFile
from docker_agent.env.chain import Secrets
from docker_agent.loader.overrides import Overrides
from docker_agent.loader.source import Source
from docker_agent.permissions import Rules, parse_rule
from docker_agent.tools.jobs import Jobs
from docker_agent.tools.opening import Opening

log = logging.getLogger(__name__)


def tools_opening(
    file: AgentFile,
    source: Source,
    overrides: Overrides,
    secrets: Secrets,
    jobs: Jobs | None = None,
) -> Opening:
    """What the toolsets of a file may use; `jobs` are the server's."""
    return Opening(
        overrides.working_dir,
        secrets,
        source.local or overrides.safety_explicit,
        overrides.withheld | _key_names(file),
        data_dir=overrides.data_dir,
        config_dir=source.directory,
        source=str(source.path or source.name),
        cache_dir=overrides.cache_dir,
        jobs=jobs or Jobs(),
    )


def team_rules(file: AgentFile, *, trusted: bool) -> Rules:
    """The permission rules of a file; those that allow count only where the operator says so.

    Raises `ConfigError` for a pattern that means too much.
    """
    permissions = file.permissions
    rules = Rules(
        allow=tuple(parse_rule(pattern) for pattern in permissions.allow),
        ask=tuple(parse_rule(pattern) for pattern in permissions.ask),
        deny=tuple(parse_rule(pattern) for pattern in permissions.deny),
    )
    if rules.allow and not trusted:
        log.warning("allow rules of a file that is not on this machine count only with --safety")
        return msgspec.structs.replace(rules, allow=())
    return rules


def _key_names(file: AgentFile) -> frozenset[str]:
    """The variables in which the file says that keys lie."""
    declared = (*file.models.values(), *file.providers.values())
    return frozenset(one.token_key for one in declared if one.token_key)
