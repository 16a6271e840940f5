"""What one model call is shown: prompt blocks, then a clean history. Pure. Source: agent-file.md
§4, runtime.md §3.4."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from docker_agent.messages import (
    AssistantMessage,
    Message,
    SystemMessage,
    TextPart,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from docker_agent.modalities import fitted
from docker_agent.models.port import ModelCard
from docker_agent.runtime.agent import Agent, Limits

CHARACTERS_PER_TOKEN = 4
"""How the two tool budgets of an agent file count (agent-file.md §4.4)."""

TRUNCATED = "[content truncated]"
NO_RESULT = "No result provided"
MIDDLE_OMITTED = "\n[...tool result truncated: middle omitted...]\n"


def system_blocks(
    agent: Agent, team: Mapping[str, Agent], tool_texts: Sequence[str], contexts: Iterable[str]
) -> list[Message]:
    """Blocks 1 to 7: the team, hand-offs, the instruction, toolset texts, then what hooks added;
    blank ones left out."""
    blocks = [
        team_block(agent, team) if agent.sub_agents else "",
        handoff_block(agent, team) if agent.handoffs else "",
        agent.instruction,
        *tool_texts,
    ]
    lasting: list[Message] = [SystemMessage(block) for block in blocks if block.strip()]
    return lasting + [SystemMessage(text, passing=True) for text in contexts if text.strip()]


def team_block(agent: Agent, team: Mapping[str, Agent]) -> str:
    """Who this agent may delegate to, and how."""
    return (
        "You are part of a multi-agent system. Your sub-agents are:\n"
        f"{_roster(agent.sub_agents, team)}\n"
        f"Only these names are valid targets: {', '.join(agent.sub_agents)}.\n"
        "If you are best suited to answer, answer yourself. Otherwise call the `transfer_task` "
        "tool for the agent whose description fits best, and write nothing else beside that call. "
        "A sub-agent starts fresh: it sees neither this conversation nor its attachments, so put "
        "everything it needs into the task and name files by absolute path."
    )


def handoff_block(agent: Agent, team: Mapping[str, Agent]) -> str:
    """Who this agent may hand the conversation to, and when."""
    return (
        "You are part of a team of agents that share this conversation. You may hand it over to:\n"
        f"{_roster(agent.handoffs, team)}\n"
        f"Call the `handoff` tool at any time with one of these ids: {', '.join(agent.handoffs)}.\n"
        "Hand over when another agent's description fits the request better, when the user asks "
        "for that agent, or when a special ability is needed. Otherwise answer directly. Do not "
        "talk about handing over."
    )


def _roster(names: Sequence[str], team: Mapping[str, Agent]) -> str:
    lines = [f"Name: {name} | Description: {team[name].description}" for name in names]
    return "\n".join(lines)


def task_message(task: str, expected_output: str) -> str:
    """What a sub-agent is told beside its own instruction."""
    expected = expected_output.strip()
    wanted = f"\n<expected_output>\n{expected}\n</expected_output>" if expected else ""
    return (
        "You are a member of a team of agents. Do the following task and answer with its result.\n"
        f"<task>\n{task}\n</task>{wanted}\n"
        "Absolute paths in the task are authoritative; do not guess where a bare file name is."
    )


def clean_history(
    messages: Sequence[Message], limits: Limits, card: ModelCard | None = None
) -> list[Message]:
    """The conversation as a model may be shown it: within the agent's limits, nothing blank,
    every call answered once, and no picture or document for a model whose `card` says it takes
    none."""
    kept = list(messages)
    if limits.history_items:
        kept = _newest(kept, limits.history_items)
    if all(map(_is_plain, kept)):
        return kept
    tools = any(isinstance(message, ToolMessage) or _calls(message) for message in kept)
    if tools:
        kept = _forget_old(kept, limits.old_tool_tokens)
    if not all(map(_says_something, kept)):
        kept = [whole for message in kept if (whole := _without_blanks(message)) is not None]
    if tools:
        kept = _cap_results(balance(kept), limits.result_tokens)
    return kept if card is None else fitted(kept, image=card.image, document=card.document)


def _calls(message: Message) -> tuple[ToolCall, ...]:
    return message.calls if isinstance(message, AssistantMessage) else ()


def _is_plain(message: Message) -> bool:
    """Whether a message is text, not blank, and nothing else: most histories hold no other, and
    such a one may be shown to any model as it is."""
    match message:
        case UserMessage(content=text):
            return isinstance(text, str) and bool(text) and not text.isspace()
        case AssistantMessage(text=text, calls=calls):
            return bool(text) and not calls and not text.isspace()
        case SystemMessage(text=text):
            return bool(text) and not text.isspace()
        case ToolMessage():
            return False


def _says_something(message: Message) -> bool:
    """Whether a message is plainly not blank: the quick look that nearly all of them pass."""
    text = message.content if isinstance(message, UserMessage) else message.text
    return bool(text) and isinstance(text, str) and not text.isspace()


def _without_blanks(message: Message) -> Message | None:
    """The message without blank text among its parts; None when nothing but blank text is in
    it."""
    match message:
        case SystemMessage(text=text):
            return message if text.strip() else None
        case UserMessage(content=str(text)):
            return message if text.strip() else None
        case UserMessage(content=parts):
            kept = tuple(
                part for part in parts if not isinstance(part, TextPart) or part.text.strip()
            )
            if len(kept) == len(parts):
                return message if kept else None
            return msgspec.structs.replace(message, content=kept) if kept else None
        case AssistantMessage():
            said = message.calls or message.text.strip() or message.opaque
            return message if said else None
        case ToolMessage():
            return message


def _newest(messages: Sequence[Message], limit: int) -> list[Message]:
    """At most `limit` messages beside system ones, which then stand first: the oldest go, but never
    what the user said."""
    excess = sum(not isinstance(message, SystemMessage) for message in messages) - limit
    if excess <= 0:
        return list(messages)
    system = [message for message in messages if isinstance(message, SystemMessage)]
    kept: list[Message] = list[Message](system)
    for message in messages:
        if isinstance(message, SystemMessage):
            continue
        if excess > 0 and isinstance(message, AssistantMessage | ToolMessage):
            excess -= 1
        else:
            kept.append(message)
    return kept


def _forget_old(messages: Sequence[Message], tokens: int) -> list[Message]:
    """Newest to oldest, once `tokens` of calls and results are spent, older ones keep only their
    names."""
    if tokens <= 0:
        return list(messages)
    left = tokens
    kept: list[Message] = []
    for message in reversed(messages):
        match message:
            case ToolMessage(text=text):
                left -= len(text) // CHARACTERS_PER_TOKEN
                kept.append(
                    message
                    if left >= 0
                    else msgspec.structs.replace(message, text=TRUNCATED, parts=())
                )
            case AssistantMessage(calls=calls) if calls:
                left -= sum(len(call.arguments) for call in calls) // CHARACTERS_PER_TOKEN
                kept.append(message if left >= 0 else _without_arguments(message))
            case _:
                kept.append(message)
    return kept[::-1]


def _without_arguments(message: AssistantMessage) -> AssistantMessage:
    calls = tuple(msgspec.structs.replace(call, arguments="{}") for call in message.calls)
    return msgspec.structs.replace(message, calls=calls)


def _cap_results(messages: Sequence[Message], tokens: int) -> list[Message]:
    if tokens <= 0:
        return list(messages)
    limit = tokens * CHARACTERS_PER_TOKEN
    return [
        msgspec.structs.replace(message, text=cut_middle(message.text, limit))
        if isinstance(message, ToolMessage)
        else message
        for message in messages
    ]


def cut_middle(text: str, limit: int) -> str:
    """At most `limit` characters of `text`: its head and tail, with a line that says so between
    them."""
    if len(text) <= limit:
        return text
    room = limit - len(MIDDLE_OMITTED)
    if room < 0:
        return "..." if limit >= len("...") else ""
    tail = room // 2
    return text[: room - tail] + MIDDLE_OMITTED + (text[-tail:] if tail else "")


def balance(messages: Sequence[Message]) -> list[Message]:
    """Every call answered right after its message, in call order, once; answers to no call are
    dropped."""
    balanced: list[Message] = []
    index = 0
    while index < len(messages):
        message = messages[index]
        index += 1
        if isinstance(message, ToolMessage):
            continue
        balanced.append(message)
        calls = _calls(message)
        if not calls:
            continue
        answers: dict[str, ToolMessage] = {}
        while index < len(messages) and isinstance(answer := messages[index], ToolMessage):
            answers.setdefault(answer.call_id, answer)
            index += 1
        balanced.extend(
            answers.get(call.id) or ToolMessage(call.id, NO_RESULT, is_error=True) for call in calls
        )
    return balanced
