"""An agent of the official SDK, spoken to in version 1.0 at `/new` and in 0.3 at `/old`."""

from __future__ import annotations

import asyncio
from collections import deque

from a2a.helpers.proto_helpers import new_task, new_text_message, new_text_part
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import AgentCapabilities, AgentCard, AgentInterface, AgentSkill, Message, TaskState
from starlette.applications import Starlette
from starlette.routing import Route


class Librarian(AgentExecutor):
    """Does what the first word of a message says."""

    def __init__(self) -> None:
        self.contexts: deque[str] = deque()
        self.cancelled = asyncio.Event()

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        """One message."""
        task, where = context.task_id or "", context.context_id or ""
        self.contexts.append(where)
        word, _, rest = context.get_user_input().partition(" ")
        if word == "say":
            await event_queue.enqueue_event(new_text_message(rest, context_id=where))
            return
        update = TaskUpdater(event_queue, task, where)
        if context.current_task is not None:
            await update.complete(self._said(f"{word} {rest}", task, where))
            return
        await event_queue.enqueue_event(new_task(task, where, TaskState.TASK_STATE_SUBMITTED))
        await update.start_work(self._said("Looking. ", task, where))
        match word:
            case "work":
                for last, piece in ((False, "Seven"), (True, " sheep.")):
                    await update.add_artifact(
                        [new_text_part(piece)], artifact_id="a", append=last, last_chunk=last
                    )
                await update.complete()
            case "fail":
                await update.failed(self._said("No sheep.", task, where))
            case "reject":
                await update.reject(self._said("Not here.", task, where))
            case "auth":
                await update.requires_auth(self._said("Who are you?", task, where))
            case "ask":
                await update.requires_input(self._said("Which sheep?", task, where))
            case _:
                await asyncio.Event().wait()

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Nobody waits for it."""
        await TaskUpdater(event_queue, context.task_id or "", context.context_id or "").cancel()
        self.cancelled.set()

    @staticmethod
    def _said(text: str, task: str, context: str) -> Message:
        return new_text_message(text, task_id=task, context_id=context)


def card(url: str, version: str, *, streaming: bool) -> AgentCard:
    """What it says of itself."""
    skill = AgentSkill(id="look-up", name="Look up", description="Finds facts.", tags=["facts"])
    return AgentCard(
        name="Librarian",
        description="Knows books.",
        version="1",
        supported_interfaces=[
            AgentInterface(url=f"{url}/rpc", protocol_binding="JSONRPC", protocol_version=version)
        ],
        capabilities=AgentCapabilities(streaming=streaming),
        default_input_modes=["text/plain"],
        default_output_modes=["text/plain"],
        skills=[skill],
    )


def librarian(url: str, agent: Librarian) -> Starlette:
    """The agent as an app: at `/new` and `/old`, and where it says it does not stream at
    `/new-whole` and `/old-whole`."""
    routes: list[Route] = []
    for place, version in (("new", "1.0"), ("old", "0.3")):
        for ending, streaming in (("", True), ("-whole", False)):
            path = f"/{place}{ending}"
            own = card(url + path, version, streaming=streaming)
            handler = DefaultRequestHandler(agent, InMemoryTaskStore(), own)
            well_known = f"{path}/.well-known/agent-card.json"
            routes += create_agent_card_routes(own, card_url=well_known)
            routes += create_jsonrpc_routes(handler, f"{path}/rpc", enable_v0_3_compat=True)
    return Starlette(routes=routes)
