"""What an agent file declares about toolsets: the keys all share, and the rest as it stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from docker_agent.config.marks import DURATION, REST, Seconds
from docker_agent.config.tree import NOWHERE, Placed, Raw


class Toolset(Placed, frozen=True, kw_only=True):
    """One toolset of an agent, of `toolsets` or of `mcps`.

    `tools` empty keeps all; `defer` is True for all tools or the names of some. `options` holds the
    keys that the adapter converts into its own Struct with `convert`.
    """

    type: str = ""
    name: str = ""
    tools: tuple[str, ...] = ()
    instruction: str = ""
    toon: str = ""
    readonly: bool = False
    model: str = ""
    defer: bool | tuple[str, ...] = False
    options: Annotated[Raw, REST] = NOWHERE


class OAuth(Placed, frozen=True, kw_only=True, rename="camel"):
    """How to sign in to a remote MCP server."""

    client_id: str = ""
    client_secret: str = ""
    callback_port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None
    scopes: tuple[str, ...] = ()
    callback_redirect_url: str = msgspec.field(default="", name="callbackRedirectURL")


class Remote(Placed, frozen=True, kw_only=True):
    """A remote MCP server; `headers` are templates."""

    url: str = ""
    transport_type: Literal["", "streamable", "streamable-http", "sse"] = ""
    headers: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    oauth: OAuth | None = None


class Backoff(Placed, frozen=True, kw_only=True):
    """Waits between restarts, in seconds; `jitter` is a share of the wait."""

    initial: Seconds = 1.0
    max: Seconds = 32.0
    multiplier: Annotated[float, msgspec.Meta(ge=0)] = 2.0
    jitter: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0


class Lifecycle(Placed, frozen=True, kw_only=True):
    """How an MCP or language server is started and restarted (§2.9.1); None: as `profile` says."""

    profile: Literal["resilient", "strict", "best-effort"] = "resilient"
    required: bool | None = None
    startup_timeout: Annotated[float, DURATION, msgspec.Meta(ge=0)] | None = None
    call_timeout: Seconds | None = None
    restart: Literal["never", "on_failure", "always"] | None = None
    max_restarts: Annotated[int, msgspec.Meta(ge=-1)] = 0
    backoff: Backoff = Backoff()


class PostEdit(Placed, frozen=True, kw_only=True):
    """A command to run after a file that fits `path` was edited."""

    path: str
    cmd: str


class ScriptTool(Placed, frozen=True, kw_only=True):
    """One tool of a `script` toolset; `args` are JSON Schema properties."""

    cmd: str
    description: str = ""
    args: Raw | None = None
    required: tuple[str, ...] | None = None
    env: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    working_dir: str = ""


class ApiTool(Placed, frozen=True, kw_only=True):
    """The one tool of an `api` toolset; `args` are JSON Schema properties."""

    name: str = ""
    instruction: str = ""
    endpoint: str = ""
    method: str = ""
    headers: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    args: Raw | None = None
    required: tuple[str, ...] = ()
    output_schema: Raw | None = None
