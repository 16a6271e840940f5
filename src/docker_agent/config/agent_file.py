"""What an agent file declares, as version 12 says it: the file and its agents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from docker_agent.config.hooks import Hooks
from docker_agent.config.marks import BY_NAME, DERIVED, Count, Seconds, Threshold, Tokens
from docker_agent.config.model import Model, Provider
from docker_agent.config.rag import RagSource
from docker_agent.config.skills import Skills
from docker_agent.config.toolset import Toolset
from docker_agent.config.tree import Placed, Raw

Safety = Literal["strict", "restricted", "balanced"]


class StructuredOutput(Placed, frozen=True, kw_only=True):
    """The JSON Schema that every answer of an agent follows."""

    name: str
    schema: Raw
    description: str = ""
    strict: bool = False


class Cache(Placed, frozen=True, kw_only=True):
    """An agent's cache of answers; `path` empty means memory only."""

    enabled: bool = False
    case_sensitive: bool = False
    trim_spaces: bool = False
    path: str = ""


class Fallback(Placed, frozen=True, kw_only=True):
    """Models to try when the agent's own fail.

    `retries` 0 means the default of 2, -1 none; `cooldown` in seconds, 0 means the default of 60.
    """

    models: tuple[str, ...] = ()
    retries: Annotated[int, msgspec.Meta(ge=-1)] = 0
    cooldown: Seconds = 0.0


class Harness(Placed, frozen=True, kw_only=True):
    """An external coding program in place of a model."""

    type: Literal["claude-code", "codex", "pi", "opencode"]
    model: str = ""
    effort: Literal["", "low", "medium", "high", "max"] = ""
    agent: str = ""
    thinking: Raw | None = None


class Command(msgspec.Struct, frozen=True):
    """A named prompt, for the clients that offer such."""

    instruction: str = ""
    description: str = ""
    agent: str = ""
    url: str = ""


class Agent(Placed, frozen=True, kw_only=True):
    """One agent as declared, shared definitions merged in.

    `models` are the keys of `AgentFile.models` one of which answers each call (several: an alloy);
    the word `auto` stays itself. `model` is the text they come from. None and 0 are "not said", see
    agent-file.md §2.3 for what then holds.
    """

    name: str = ""
    model: str = ""
    models: Annotated[tuple[str, ...], DERIVED] = ()
    description: str = ""
    instruction: str = ""
    instruction_file: str | tuple[str, ...] = ()
    welcome_message: str = ""
    toolsets: tuple[Toolset, ...] = ()
    use_toolsets: tuple[str, ...] = ()
    sub_agents: tuple[str, ...] = ()
    handoffs: tuple[str, ...] = ()
    force_handoff: str = ""
    add_date: bool = False
    add_environment_info: bool = False
    add_prompt_files: tuple[str, ...] = ()
    add_description_parameter: bool = False
    code_mode_tools: bool = False
    readonly: bool = False
    safety: Safety | None = None
    redact_secrets: bool | None = None
    max_iterations: Count = 0
    max_consecutive_tool_calls: Count = 0
    max_old_tool_call_tokens: Tokens = 0
    max_tool_result_tokens: Tokens = 0
    num_history_items: Count = 0
    session_compaction: bool | None = None
    compaction_threshold: Threshold | None = None
    commands: Raw | None = None
    merged_commands: Annotated[Mapping[str, Command], DERIVED] = msgspec.field(
        default_factory=dict[str, Command]
    )
    use_commands: tuple[str, ...] = ()
    skills: Raw | None = None
    merged_skills: Annotated[Skills, DERIVED] = Skills()
    use_skills: tuple[str, ...] = ()
    structured_output: StructuredOutput | None = None
    fallback: Fallback | None = None
    cache: Cache | None = None
    hooks: Hooks | None = None
    harness: Harness | None = None


class Permissions(Placed, frozen=True, kw_only=True):
    """Patterns of tool calls (§2.12)."""

    allow: tuple[str, ...] = ()
    ask: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


class Runtime(Placed, frozen=True, kw_only=True):
    """Wishes about where agents run (§2.13)."""

    sandbox: bool = False
    network_allowlist: tuple[str, ...] = ()
    safety: Safety | None = None


class Metadata(Placed, frozen=True, kw_only=True):
    """Who wrote the file; no effect on a run."""

    author: str = ""
    license: str = ""
    description: str = ""
    readme: str = ""
    version: str = ""
    tags: tuple[str, ...] = ()


class AgentFile(Placed, frozen=True, kw_only=True):
    """A whole agent file. `version` is the one it declared, `agents` stand in the file's order.

    `models` also holds an entry for every inline reference (`openai/gpt-5`) under its full text.
    """

    version: str = "12"
    agents: Annotated[tuple[Agent, ...], BY_NAME] = ()
    models: Mapping[str, Model] = msgspec.field(default_factory=dict[str, Model])
    providers: Mapping[str, Provider] = msgspec.field(default_factory=dict[str, Provider])
    mcps: Mapping[str, Toolset] = msgspec.field(default_factory=dict[str, Toolset])
    rag: Mapping[str, RagSource] = msgspec.field(default_factory=dict[str, RagSource])
    toolsets: Mapping[str, Toolset] = msgspec.field(default_factory=dict[str, Toolset])
    commands: Mapping[str, Raw] = msgspec.field(default_factory=dict[str, Raw])
    skills: Mapping[str, Raw] = msgspec.field(default_factory=dict[str, Raw])
    permissions: Permissions = Permissions()
    runtime: Runtime = Runtime()
    metadata: Metadata = Metadata()

    def agent(self, name: str) -> Agent | None:
        """The agent of that name."""
        return next((agent for agent in self.agents if agent.name == name), None)

    @property
    def default_agent(self) -> str:
        """The name that answers when a request names none: `root`, else the first; empty without
        agents."""
        names = [agent.name for agent in self.agents]
        return "root" if "root" in names else names[0] if names else ""
