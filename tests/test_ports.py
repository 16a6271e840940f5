"""The ports carry the hard cases: each is played through with a fake of some lines, without any
adapter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio
import msgspec
import pytest

from docker_agent.errors import ModelError, RequestError, ToolError
from docker_agent.events import Emit, EmitDeltas, Event, Source, TextDelta, ignore
from docker_agent.loader.generations import open_generations
from docker_agent.messages import (
    JSON,
    AssistantMessage,
    Conversation,
    Message,
    Summary,
    SystemMessage,
    ToolCall,
    ToolList,
    ToolMessage,
    ToolResult,
    ToolSpec,
    Turn,
    Usage,
    UserMessage,
)
from docker_agent.models.port import Ask, ModelCard, Reply
from docker_agent.runtime.agent import Agent, OneTeam, Team, Teams
from docker_agent.runtime.loop import run
from docker_agent.runtime.request import Outcome, RunRequest
from docker_agent.runtime.toolbox import Toolbox
from docker_agent.server.conversations.port import Conversations, Key, Lease
from docker_agent.tools.port import READY, Around, CallContext, Draft, Scope, Status, Toolset
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

Answer = Callable[[Ask], "str | tuple[ToolCall, ...] | ModelError"]


class FakeModel:
    """Answers with what a function makes of the question: text, calls, or an error."""

    card = ModelCard("fake", "fake")

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.asked: list[Ask] = []

    async def reply(self, ask: Ask, emit: EmitDeltas) -> Reply:
        self.asked.append(ask)
        found = self._answer(ask)
        if isinstance(found, ModelError):
            raise found
        if isinstance(found, tuple):
            return Reply(AssistantMessage(calls=found), "tool_calls", Usage(1, 1))
        await emit((TextDelta(found),))
        return Reply(AssistantMessage(found), "stop", Usage(1, 1))


class FakeTools:
    """Tools by name; each is a function of arguments and context."""

    scope: Scope = "conversation"
    status: Status = READY
    name = "fake"

    def __init__(self, **tools: Callable[[dict[str, JSON], CallContext], str]) -> None:
        self.table = tools
        self.listing = self._list()

    def _list(self, version: int = 0) -> ToolList:
        specs = [ToolSpec(name, "", {"type": "object"}) for name in self.table]
        return ToolList(specs, version=version)

    def change(self, **tools: Callable[[dict[str, JSON], CallContext], str]) -> None:
        """What `list_changed` does: from now on another list."""
        self.table = tools
        self.listing = self._list(self.listing.version + 1)

    async def tools(self, around: Around) -> ToolList:
        return self.listing

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        return ToolResult(self.table[name](arguments, context))


def last_text(ask: Ask) -> str:
    message = ask.messages[-1]
    return message.content if isinstance(message, UserMessage) else getattr(message, "text", "")  # type: ignore[return-value]


def call(name: str, id: str = "c1", arguments: str = "{}") -> ToolCall:
    return ToolCall(id, name, arguments)


def team_of(*agents: Agent) -> Team:
    by_name = {agent.name: agent for agent in agents}
    return Team(by_name, agents[0].name, tuple(by_name))


def ask_of(text: str, **more: JSON) -> RunRequest:
    return RunRequest("r1", more.pop("entry", "root"), (UserMessage(text),), **more)


@requirement("design:1:client-tools")
async def test_a_call_for_the_client_pauses_the_run_and_its_answer_resumes_it() -> None:
    """DESIGN.md §1: client tools pause a run; server tools of the same turn run once."""
    ran: list[str] = []

    def answer(ask: Ask) -> str | tuple[ToolCall, ...]:
        results = [message.text for message in ask.messages if isinstance(message, ToolMessage)]
        if results:
            return "got " + " and ".join(results)
        return (call("own", "c1"), call("clients", "c2"))

    def own(arguments: dict[str, JSON], context: CallContext) -> str:
        ran.append("own")
        return "mine"

    team = team_of(Agent("root", FakeModel(answer), toolbox=Toolbox([FakeTools(own=own)])))
    clients = ToolList([ToolSpec("clients", "", {"type": "object"})])
    paused = await run(team, ask_of("go", client_tools=clients), ignore)
    assert (paused.finish, [c.id for c in paused.pending], paused.text) == (
        "tool_calls",
        ["c2"],
        "",
    )
    assert paused.conversation.pending() == paused.pending
    resumed = await run(
        team,
        RunRequest("r2", "root", (ToolMessage("c2", "yours"),), paused.conversation),
        ignore,
    )
    assert resumed.text == "got mine and yours"
    assert ran == ["own"]


@requirement("design:1:client-tools")
async def test_an_agents_own_tool_wins_over_a_clients_of_the_same_name() -> None:
    """chat-server.md §3: own tools of the agent win on a name clash."""
    model = FakeModel(
        lambda ask: "done" if isinstance(ask.messages[-1], ToolMessage) else (call("both"),)
    )
    own = FakeTools(both=lambda arguments, context: "own")
    team = team_of(Agent("root", model, toolbox=Toolbox([own])))
    clients = ToolList([ToolSpec("both", "the client's", {})])
    outcome = await run(team, ask_of("go", client_tools=clients), ignore)
    assert (outcome.finish, outcome.text) == ("stop", "done")
    assert [spec.description for spec in model.asked[0].tools.specs] == [""]


@requirement("design:1:hand-off-kept")
async def test_a_hand_off_is_kept_with_the_conversation() -> None:
    """runtime.md §11.4: the active agent is a field of the conversation."""
    first = FakeModel(
        lambda ask: (call("handoff", arguments='{"agent":"b"}'),) if last_text(ask) == "go" else "a"
    )
    second = FakeModel(lambda ask: "b here")
    team = team_of(Agent("a", first, handoffs=("b",)), Agent("b", second))
    outcome = await run(team, ask_of("go", entry="a"), ignore)
    assert (outcome.text, outcome.active) == ("b here", "b")
    again = await run(team, ask_of("more", entry="a", conversation=outcome.conversation), ignore)
    assert again.text == "b here"
    fresh = await run(team, ask_of("hello", entry="a"), ignore)
    assert fresh.text == "a"


@requirement("design:1:list-changed")
async def test_tools_that_change_during_a_run_are_seen_on_the_next_turn() -> None:
    """runtime.md §10.4: a changed list is picked up on the next turn; an unchanged one is wired
    once."""
    wired: list[int] = []

    def dialect(specs: object) -> bytes:
        wired.append(1)
        return b"[]"

    tools = FakeTools(old=lambda arguments, context: _changing(tools))
    seen: list[list[str]] = []

    def answer(ask: Ask) -> str | tuple[ToolCall, ...]:
        ask.tools.wire(dialect)
        seen.append([spec.name for spec in ask.tools.specs])
        return (call("old"),) if len(seen) == 1 else "done"

    team = team_of(Agent("root", FakeModel(answer), toolbox=Toolbox([tools])))
    await run(team, ask_of("go"), ignore)
    await run(team, ask_of("go"), ignore)
    assert seen == [["old"], ["new"], ["new"]]
    assert len(wired) == 2


def _changing(tools: FakeTools) -> str:
    tools.change(new=lambda arguments, context: "")
    return "changed"


@requirement("design:1:compaction")
async def test_a_summary_travels_with_its_turn_through_any_store() -> None:
    """DESIGN.md §1: a Turn keeps its summary, its agent and its toolsets' bytes; stores keep
    JSON."""
    turn = Turn(
        (UserMessage("hi"), AssistantMessage("hello", agent="root")),
        agent="root",
        digest="d",
        state={"todo": b"\x00\xff"},
        summary=Summary("they met", kept_from=1),
    )
    conversation = Conversation().followed_by(turn)
    stored = msgspec.json.encode(conversation)
    assert msgspec.json.decode(stored, type=Conversation) == conversation
    kept = conversation.messages[turn.summary.kept_from :] if turn.summary else ()
    assert kept == (AssistantMessage("hello", agent="root"),)


@requirement("design:1:failed-turn")
async def test_a_failed_turn_advances_neither_conversation_nor_toolset_state() -> None:
    """DESIGN.md §1: state becomes true after success; there is nothing to roll back."""

    def count(arguments: dict[str, JSON], context: CallContext) -> str:
        number = int(context.state.get("count") or b"0") + 1
        context.state.put("count", str(number).encode())
        return str(number)

    def answer(ask: Ask) -> str | tuple[ToolCall, ...] | ModelError:
        if not isinstance(ask.messages[-1], ToolMessage):
            return (call("count"),)
        broken = any(isinstance(m, UserMessage) and m.content == "break" for m in ask.messages)
        return ModelError("model_error", "down") if broken else ask.messages[-1].text

    team = team_of(Agent("root", FakeModel(answer), toolbox=Toolbox([FakeTools(count=count)])))
    first = await run(team, ask_of("one"), ignore)
    broken = await run(team, ask_of("break", conversation=first.conversation), ignore)
    assert broken.failure is not None
    assert (broken.failure.kind, broken.acted) == ("model_error", True)
    assert broken.usage == Usage(1, 1)
    assert broken.conversation is first.conversation
    third = await run(team, ask_of("two", conversation=broken.conversation), ignore)
    assert third.text == "2"


@requirement("design:1:parallel-sub-agents")
async def test_sub_agents_work_side_by_side_and_speak_at_their_own_depth() -> None:
    """runtime.md §11.1: parallel transfers are safe; the answer is depth-0 text alone."""
    both = anyio.Event()
    working: set[str] = set()

    class Worker(FakeModel):
        async def reply(self, ask: Ask, emit: EmitDeltas) -> Reply:
            working.add(str(id(ask)))
            if len(working) == 2:
                both.set()
            with anyio.fail_after(5):
                await both.wait()
            return await super().reply(ask, emit)

    def lead(ask: Ask) -> str | tuple[ToolCall, ...]:
        results = [message.text for message in ask.messages if isinstance(message, ToolMessage)]
        if results:
            return "+".join(results)
        task = '{"agent":"worker","task":"%s","expected_output":""}'
        return (call("transfer_task", "c1", task % "x"), call("transfer_task", "c2", task % "y"))

    worker = Worker(lambda ask: "x" if "<task>\nx" in _task(ask) else "y")
    team = team_of(Agent("root", FakeModel(lead), sub_agents=("worker",)), Agent("worker", worker))
    heard: list[tuple[int, str]] = []

    async def emit(source: Source, events: tuple[Event, ...]) -> None:
        heard.extend((source.depth, e.text) for e in events if isinstance(e, TextDelta))

    outcome = await run(team, ask_of("go"), emit)
    assert outcome.text == "x+y"
    assert [text for depth, text in heard if depth == 0] == ["x+y"]
    assert sorted(text for depth, text in heard if depth == 1) == ["x", "y"]
    assert outcome.usage == Usage(4, 4)


def _task(ask: Ask) -> str:
    return next(m.text for m in ask.messages if isinstance(m, SystemMessage) and "<task>" in m.text)


@requirement("design:1:parallel-sub-agents")
async def test_a_failing_sub_agent_is_a_tool_error_for_the_one_that_asked() -> None:
    """runtime.md §20.2 row 15: the parent gets an error and can still answer."""

    def lead(ask: Ask) -> str | tuple[ToolCall, ...]:
        last = ask.messages[-1]
        if isinstance(last, ToolMessage):
            return f"it said: {last.text} ({last.is_error})"
        return (call("transfer_task", arguments='{"agent":"worker","task":"x"}'),)

    worker = FakeModel(lambda ask: ModelError("model_error", "out of order"))
    team = team_of(Agent("root", FakeModel(lead), sub_agents=("worker",)), Agent("worker", worker))
    outcome = await run(team, ask_of("go"), ignore)
    assert outcome.failure is None
    assert outcome.text == "it said: Error calling tool: out of order (True)"


@requirement("design:1:reload")
async def test_a_reload_under_a_run_leaves_that_run_its_old_team() -> None:
    """DESIGN.md §1: Teams.current() leases a generation; the last lease closes an old team."""
    opened: list[int] = []
    closed: list[int] = []

    @asynccontextmanager
    async def open_team() -> AsyncGenerator[Team]:
        number = len(opened)
        opened.append(number)
        owner = asyncio.current_task()
        yield team_of(Agent("root", FakeModel(lambda ask: f"team {number}")))
        assert asyncio.current_task() is owner
        closed.append(number)

    async with open_generations(open_team) as teams:
        shape: Teams = teams
        async with shape.current() as old:
            async with shape.current() as same:
                assert same is old
                await teams.reload()
            await anyio.wait_all_tasks_blocked()
            assert closed == []
            assert (await run(old, ask_of("hi"), ignore)).text == "team 0"
            async with shape.current() as new:
                assert (await run(new, ask_of("hi"), ignore)).text == "team 1"
        with anyio.fail_after(5):
            while not closed:
                await anyio.lowlevel.checkpoint()
        assert closed == [0]
    assert closed == [0, 1]


@requirement("design:1:reload")
async def test_a_reload_that_fails_keeps_the_old_team() -> None:
    """DESIGN.md §8: a bad file keeps the old ones."""
    broken = False

    @asynccontextmanager
    async def open_team() -> AsyncGenerator[Team]:
        if broken:
            raise ToolError("bad file")
        yield team_of(Agent("root", FakeModel(lambda ask: "ok")))

    async with open_generations(open_team) as teams:
        before = teams.peek()
        broken = True
        with pytest.raises(ToolError):
            await teams.reload()
        assert teams.peek() is before


class FakeStore:
    """Conversations in a dict; a second lease is refused at once, a lost one cannot put."""

    def __init__(self) -> None:
        self._kept: dict[Key, bytes] = {}
        self._held: dict[Key, object] = {}

    def lease(self, key: Key) -> AbstractAsyncContextManager[Lease]:
        return self._lease(key)

    async def count(self) -> int:
        return len(self._kept)

    async def holds(self, key: Key) -> bool:
        return key in self._kept or key in self._held

    def steal(self, key: Key) -> None:
        """What another machine does when a lease has run out."""
        self._held[key] = object()

    @asynccontextmanager
    async def _lease(self, key: Key) -> AsyncGenerator[Lease]:
        if key in self._held:
            raise RequestError("conversation_busy", "another request holds it")
        store, token = self, object()
        self._held[key] = token

        class Held:
            conversation = (
                msgspec.json.decode(store._kept[key], type=Conversation)
                if key in store._kept
                else None
            )

            async def put(self, conversation: Conversation) -> None:
                if store._held.get(key) is not token:
                    raise RequestError("conversation_busy", "the lease was lost")
                store._kept[key] = msgspec.json.encode(conversation)

        try:
            yield Held()
        finally:
            if self._held.get(key) is token:
                del self._held[key]


async def one_turn(store: Conversations, team: Team, key: Key, text: str, emit: Emit) -> Outcome:
    """Stops 2, 3 and 7 of DESIGN.md §4."""
    async with store.lease(key) as lease:
        before = lease.conversation or Conversation()
        outcome = await run(team, ask_of(text, conversation=before, keep=True), emit)
        if outcome.failure is None:
            await lease.put(outcome.conversation)
    return outcome


@requirement("design:1:conversations")
async def test_a_conversation_is_leased_to_one_request_and_put_once() -> None:
    """DESIGN.md §1: Busy at once; refused once the lease is lost."""

    def history(ask: Ask) -> str:
        return " ".join(str(m.content) for m in ask.messages if isinstance(m, UserMessage))

    store, key = FakeStore(), Key("", "root", "c")
    team = team_of(Agent("root", FakeModel(history)))
    await one_turn(store, team, key, "one", ignore)
    second = await one_turn(store, team, key, "two", ignore)
    assert second.text == "one two"
    assert all(turn.digest for turn in second.conversation.turns)
    async with store.lease(key):
        with pytest.raises(RequestError) as busy:
            await one_turn(store, team, key, "three", ignore)
    assert busy.value.kind == "conversation_busy"
    async with store.lease(key) as lost:
        store.steal(key)
        with pytest.raises(RequestError):
            await lost.put(Conversation())


@requirement("design:1:toolset-port")
async def test_the_contexts_of_two_runs_at_once_never_meet() -> None:
    """runtime.md §1.3: one toolset object serves all; what belongs to one user is in the
    context."""
    both = anyio.Event()
    inside: list[Draft] = []

    class Meeting(FakeTools):
        async def call(
            self, name: str, arguments: dict[str, JSON], context: CallContext
        ) -> ToolResult:
            inside.append(context.state)
            context.state.put("who", context.caller.encode())
            if len(inside) == 2:
                both.set()
            with anyio.fail_after(5):
                await both.wait()
            return ToolResult((context.state.get("who") or b"").decode())

    def answer(ask: Ask) -> str | tuple[ToolCall, ...]:
        last: Message = ask.messages[-1]
        return last.text if isinstance(last, ToolMessage) else (call("meet"),)

    tools: Toolset = Meeting(meet=lambda arguments, context: "")
    teams = OneTeam(team_of(Agent("root", FakeModel(answer), toolbox=Toolbox([tools]))))
    async with teams.current() as team:
        ann, bob = await asyncio.gather(
            run(team, ask_of("go", caller="ann"), ignore),
            run(team, ask_of("go", caller="bob"), ignore),
        )
    assert (ann.text, bob.text) == ("ann", "bob")
