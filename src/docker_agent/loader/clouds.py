"""What keeps a model from the cloud it is declared on, as far as can be seen without asking it.

Source: agent-file.md §3.2.4 and §6.4.
"""

from __future__ import annotations

import msgspec

from docker_agent.env.chain import STAND_IN, Secrets, Values
from docker_agent.errors import ConfigError
from docker_agent.models.bedrock_settings import refuse_unsigned_by_aws, region_of
from docker_agent.models.resolve import Resolved
from docker_agent.models.table import BEDROCK
from docker_agent.models.vertex import refuse_unsigned, vertex_place

_GOOGLE = "google"


def refuse_wrong_place(resolved: Resolved, *, direct: bool) -> None:
    """Raise `ConfigError` for what no machine can put right; `direct`: no gateway is between."""
    if resolved.protocol == BEDROCK:
        region_of(resolved, Values({}))
    elif resolved.protocol == _GOOGLE:
        vertex_place(msgspec.structs.replace(resolved, gated=not direct), lambda _: STAND_IN)


def lacks(resolved: Resolved, secrets: Secrets) -> str:
    """What this machine lacks beside variables; empty when that is nothing."""
    try:
        if resolved.protocol == BEDROCK:
            refuse_unsigned_by_aws(resolved, secrets)
        elif resolved.protocol == _GOOGLE and vertex_place(resolved, secrets.get) is not None:
            refuse_unsigned(resolved, secrets)
    except ConfigError as exc:
        return str(exc)
    return ""
