"""Agents calling agents: `transfer_task` runs a sub-agent on a task, `run_skill` a skill, `handoff`
gives the conversation away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import msgspec

from docker_agent.errors import ToolError
from docker_agent.events import AgentSwitched
from docker_agent.messages import (
    JSON,
    AssistantMessage,
    SystemMessage,
    ToolList,
    ToolResult,
    ToolSpec,
    UserMessage,
)
from docker_agent.permissions import strictest
from docker_agent.runtime import moments
from docker_agent.runtime.agent import Agent
from docker_agent.runtime.forks import run_fork
from docker_agent.runtime.prompt import task_message
from docker_agent.runtime.results import RUNTIME_CATEGORY
from docker_agent.runtime.strand import Advance, RunFailed, Strand
from docker_agent.tools.port import READY, Around, CallContext, Scope, Status

MAX_DEPTH = 8
MAX_CHILDREN = 50
"""How deep sub-agents may nest, and how many tasks one request may hand out (runtime.md §11.1)."""

PROCEED = "Please proceed."


class Delegation:
    """The toolset of one strand whose agent has sub-agents or hand-offs; `advance` is the loop
    that runs a child strand."""

    name = "delegation"
    scope: Scope = "run"

    def __init__(self, strand: Strand, advance: Advance) -> None:
        self._strand = strand
        self._advance = advance
        agent = strand.agent
        forks = () if strand.in_skill else tuple(agent.forks)
        self._tools = _listing(agent.sub_agents, agent.handoffs, forks)

    @property
    def status(self) -> Status:
        return READY

    async def tools(self, around: Around) -> ToolList:
        return self._tools

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        if name == "handoff":
            return await self._hand_off(_text(arguments, "agent"))
        if name == "run_skill":
            return await self._run_skill(_text(arguments, "name"), _text(arguments, "task"))
        return await self._transfer(
            _text(arguments, "agent"),
            _text(arguments, "task"),
            _text({"expected_output": "", **arguments}, "expected_output"),
        )

    async def _transfer(self, target: str, task: str, expected_output: str) -> ToolResult:
        strand, ledger = self._strand, self._strand.ledger
        check_sub_agent(strand.agent, "transfer task", target)
        self._count_child()
        child = child_of(strand, target, task, expected_output, str(ledger.children))
        await child.tell(AgentSwitched(target, "transfer_task"))
        await moments.switched(strand, "transfer_task", strand.agent, child.agent)
        return ToolResult(await self._answer(child))

    async def _run_skill(self, name: str, task: str) -> ToolResult:
        self._count_child()
        return ToolResult(await run_fork(self._strand, name, task, self._answer))

    def _count_child(self) -> None:
        """Take note of one more child. Raises `ToolError` when there are too many, or too deep."""
        strand, ledger = self._strand, self._strand.ledger
        check_depth(strand)
        if ledger.children >= MAX_CHILDREN:
            raise ToolError(
                f"this request has already handed out {MAX_CHILDREN} tasks; do the task yourself"
            )
        ledger.children += 1

    async def _answer(self, child: Strand) -> str:
        """Run a child to its end; what it said last. Raises `ToolError` when it failed."""
        try:
            await self._advance(child)
        except RunFailed as exc:
            await self._returned(child, exc.failure.message, is_error=True)
            raise ToolError(exc.failure.message) from exc
        answer = last_words(child)
        await self._returned(child, answer, is_error=False)
        return answer

    async def _returned(self, child: Strand, text: str, *, is_error: bool) -> None:
        strand = self._strand
        await moments.switched(strand, "transfer_task_return", child.agent, strand.agent)
        await moments.child_ended(strand, child.agent, text, is_error=is_error)

    async def _hand_off(self, target: str) -> ToolResult:
        strand = self._strand
        _check_target(strand.agent, "hand off", target, strand.agent.handoffs, "handoffs list")
        strand.next_agent = target
        agent = strand.ledger.team.agents[target]
        onward = f" You may hand over to: {', '.join(agent.handoffs)}." if agent.handoffs else ""
        return ToolResult(
            f"The agent {strand.agent.name} handed the conversation to you; you are {target} and "
            f"the active agent now.{onward} Only the tools you are given count, tools mentioned "
            "earlier may be gone. Continue with the user's request."
        )


def child_of(strand: Strand, target: str, task: str, expected_output: str, name: str) -> Strand:
    """A sub-agent's line of conversation: it sees its task, and nothing of the one that gave it.
    `name` tells its session from others of the same parent."""
    agent = strand.ledger.team.agents[target]
    return Strand(
        strand.ledger,
        agent,
        [
            SystemMessage(task_message(task, expected_output)),
            UserMessage(PROCEED, implicit=True),
        ],
        strictest(strand.mode, agent.safety),
        strand.draft,
        depth=strand.depth + 1,
        session=f"{strand.session}/{name}",
        parent_session=strand.session,
        in_skill=strand.in_skill,
        listener=strand.listener,
    )


def check_depth(strand: Strand) -> None:
    """Raises `ToolError` where agents are nested too deep for one more."""
    if strand.depth >= MAX_DEPTH:
        raise ToolError(f"agents are already nested {MAX_DEPTH} deep; do the task yourself")


def check_sub_agent(agent: Agent, verb: str, target: str) -> None:
    """Raises `ToolError` that names those there are, when `target` is no sub-agent of `agent`."""
    _check_target(agent, verb, target, agent.sub_agents, "sub-agents list")


def last_words(child: Strand) -> str:
    """What a sub-agent's last message says: the answer to its task."""
    answers = (one.text for one in reversed(child.messages) if isinstance(one, AssistantMessage))
    return next(answers, "")


@lru_cache(maxsize=256)
def _listing(
    sub_agents: tuple[str, ...], handoffs: tuple[str, ...], forks: tuple[str, ...]
) -> ToolList:
    """The same list for the same names, so that what is prepared per list is prepared once per
    agent."""
    return ToolList([*_specs(sub_agents, handoffs), *_skill_specs(forks)])


def _specs(sub_agents: Sequence[str], handoffs: Sequence[str]) -> Iterator[ToolSpec]:
    if sub_agents:
        yield _spec(
            "transfer_task",
            "Give a task to one of your sub-agents and get its answer.",
            sub_agents,
            {
                "task": {
                    "type": "string",
                    "description": "What to do, with everything needed to do it.",
                },
                "expected_output": {
                    "type": "string",
                    "description": "What the answer should look like; may be empty.",
                },
            },
        )
    if handoffs:
        yield _spec("handoff", "Hand the conversation over to another agent.", handoffs, {})


def _skill_specs(forks: Sequence[str]) -> Iterator[ToolSpec]:
    """`run_skill` does what the skill does, which nobody knows beforehand: it is not harmless."""
    if forks:
        properties: dict[str, JSON] = {
            "name": {"type": "string", "enum": list(forks), "description": "The skill's name."},
            "task": {
                "type": "string",
                "description": "What to do, with everything needed to do it.",
            },
        }
        parameters = {"type": "object", "properties": properties, "required": ["name", "task"]}
        description = "Give a task to a skill that works for itself, and get its answer."
        yield ToolSpec(
            "run_skill", description, parameters, category=RUNTIME_CATEGORY, tidy=_as_texts
        )


def _spec(name: str, description: str, targets: Sequence[str], more: dict[str, JSON]) -> ToolSpec:
    agent = {"type": "string", "enum": list(targets), "description": "The agent's name."}
    properties = {"agent": agent, **more}
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return ToolSpec(
        name,
        description,
        parameters,
        read_only=True,
        harmless=True,
        category=RUNTIME_CATEGORY,
        tidy=_as_texts,
    )


def _check_target(
    agent: Agent, verb: str, target: str, valid: Sequence[str], list_name: str
) -> None:
    if target in valid:
        return
    available = (
        f"Available agent IDs are: {', '.join(valid)}"
        if valid
        else "No agents are configured in this list."
    )
    raise ToolError(
        f"Agent {agent.name} cannot {verb} to {target}: target agent not in {list_name}. "
        f"{available}"
    )


_TEXTS = frozenset(("agent", "name", "task", "expected_output"))
"""What these tools read: texts, all of them."""


def _as_texts(arguments: Mapping[str, JSON]) -> Mapping[str, JSON]:
    """The arguments with anything else that a model wrote where a text belongs as JSON; null is
    nothing."""
    return {
        key: each if key not in _TEXTS or isinstance(each, str) else _written(each)
        for key, each in arguments.items()
    }


def _written(value: JSON) -> str:
    return "" if value is None else msgspec.json.encode(value).decode()


def _text(arguments: Mapping[str, JSON], key: str) -> str:
    if key not in arguments:
        raise ToolError(f"argument `{key}` is missing; it is a text")
    return str(_as_texts(arguments)[key])
