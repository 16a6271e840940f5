"""One session with an MCP server, over any transport: hello, listing, calls.

Imported with the SDK, when the first server is started.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
import msgspec
from anyio.abc import TaskStatus
from mcp import Client, MCPError
from mcp.client.session import ClientRequestContext, IncomingMessage, ListRootsFnT
from mcp.client.subscriptions import SubscriptionLost
from mcp.shared.dispatcher import ProgressFnT
from mcp.shared.message import SessionMessage
from pydantic import ValidationError

from docker_agent import __version__
from docker_agent.errors import ToolError
from docker_agent.messages import JSON
from docker_agent.tools.life import End, Ended
from docker_agent.tools.mcp.limits import LISTING_TIMEOUT, MAX_PAGES, MAX_TOOLS
from docker_agent.tools.port import Progress

log = logging.getLogger(__name__)

CLIENT = types.Implementation(name="docker-agent", version=__version__)

LISTEN_PAUSE = 1.0
"""Seconds before a stream of changes that ended is asked for again."""

_FORGOTTEN = (types.INVALID_REQUEST, -32001)
"""What servers answer to a session that they do not know any more: nothing was run then."""

for _noisy in ("mcp", "client", "httpx2", "httpcore2"):
    # Their tracebacks and addresses are no reading for operators; what matters is told by us.
    logging.getLogger(_noisy).setLevel(logging.CRITICAL)

Transport = AbstractAsyncContextManager[tuple[Any, Any]]
"""Streams of messages from and to a server, while the context lasts."""


class SessionForgotten(Exception):
    """The server knows this session no more, and has not run what was asked."""


class Hello(msgspec.Struct, frozen=True):
    """How a session begins. `working_dir` is its root (None: nothing is told of this machine),
    `timeout` is seconds of one message that is no call (None: no bound); `forgotten` says whether
    the server has just refused a session it does not know."""

    working_dir: Path | None
    timeout: float | None = None
    forgotten: Callable[[], bool] = lambda: False


@asynccontextmanager
async def open_session(transport: Transport, hello: Hello, ended: Ended) -> AsyncGenerator[Session]:
    """Say hello in the newest protocol both sides know, list the tools, and watch for changes of
    them. `ended` hears when the connection breaks."""
    changed = _Changed()
    client = Client(
        _Watched(transport, ended),  # pyright: ignore[reportArgumentType] - a transport's duck type
        client_info=CLIENT,
        cache=None,
        read_timeout_seconds=hello.timeout,
        message_handler=changed.heard,
        elicitation_callback=_decline,
        list_roots_callback=_roots(hello.working_dir) if hello.working_dir else None,
        logging_callback=_log,
    )
    async with client:
        session = Session(client, hello, changed)
        async with anyio.create_task_group() as group:
            if session.announces_by_stream:
                await group.start(session.follow)
            await session.tools()
            yield session
            group.cancel_scope.cancel()


class _Changed:
    """Whether the server has said that its tools are others now."""

    def __init__(self) -> None:
        self.yes = True

    async def heard(self, message: IncomingMessage) -> None:
        """Listen to what a server tells by itself."""
        if isinstance(message, types.ToolListChangedNotification):
            self.yes = True


class Session:
    """A live session. Any task may use it."""

    def __init__(self, client: Client, hello: Hello, changed: _Changed) -> None:
        self._client = client
        self._hello = hello
        self._changed = changed
        self._listing = asyncio.Lock()
        self._tools: tuple[types.Tool, ...] = ()

    @property
    def instructions(self) -> str:
        """What the server says about its tools."""
        return self._client.instructions or ""

    @property
    def protocol(self) -> str:
        """The revision of the protocol that is spoken."""
        return self._client.protocol_version

    @property
    def announces_by_stream(self) -> bool:
        """Whether changes of the listing come on a stream that is asked for."""
        offered = self._client.server_capabilities.tools
        modern = self._client.session.discover_result is not None
        return modern and offered is not None and bool(offered.list_changed)

    async def tools(self) -> tuple[types.Tool, ...]:
        """The tools there are now: the same object until the server said that they changed.

        Raises what the SDK raises, and `TimeoutError`.
        """
        if not self._changed.yes:
            return self._tools
        async with self._listing:
            if self._changed.yes:
                self._changed.yes = False
                try:
                    async with asyncio.timeout(LISTING_TIMEOUT):
                        self._tools = await self._listed()
                except BaseException:
                    self._changed.yes = True
                    raise
        return self._tools

    async def _listed(self) -> tuple[types.Tool, ...]:
        if self._client.server_capabilities.tools is None:
            return ()
        found: list[types.Tool] = []
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = await self._client.list_tools(cursor=cursor)
            found += page.tools
            cursor = page.next_cursor
            if not cursor or len(found) > MAX_TOOLS:
                break
        if cursor or len(found) > MAX_TOOLS:
            log.warning("an MCP server lists more than %d tools; the rest is left out", MAX_TOOLS)
        return tuple(found[:MAX_TOOLS])

    async def follow(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Watch the stream of changes for as long as the server keeps it; what is missed between
        two streams counts as a change."""
        began = False
        while True:
            try:
                async with self._client.listen(tools_list_changed=True) as changes:
                    self._changed.yes = True
                    if not began:
                        began = True
                        task_status.started()
                    async for _ in changes:
                        self._changed.yes = True
            except SubscriptionLost:
                pass
            except (MCPError, TimeoutError, RuntimeError) as exc:
                log.debug("changes of an MCP server cannot be watched: %s", exc)
                break
            await asyncio.sleep(LISTEN_PAUSE)
        if not began:
            task_status.started()

    async def run(
        self, name: str, arguments: dict[str, JSON], seconds: float, progress: Progress
    ) -> types.CallToolResult:
        """Run a tool of the server; cancelled and late calls are cancelled there too.

        Raises `ToolError`, or `SessionForgotten` when nothing was run.
        """
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await self._client.call_tool(
                    name, arguments, seconds + 1, progress_callback=_told_to(progress)
                )
        except TimeoutError as exc:
            raise ToolError(f"no answer within {seconds:g} seconds; the call was stopped") from exc
        except MCPError as exc:
            raise self._failure(exc) from exc
        except ValidationError as exc:
            raise ToolError("the server's answer is no valid result") from exc
        except RuntimeError as exc:
            raise ToolError(str(exc)) from exc

    def _failure(self, exc: MCPError) -> Exception:
        if exc.code in _FORGOTTEN and self._hello.forgotten():
            return SessionForgotten()
        if exc.code == types.CONNECTION_CLOSED:
            return ToolError(
                "the connection to the server broke during the call; it may have run or not"
            )
        return ToolError(f"the server refused the call: {exc.message}")


class _Watched:
    """A transport whose end is told."""

    def __init__(self, inner: Transport, ended: Ended) -> None:
        self._inner = inner
        self._ended = ended

    async def __aenter__(self) -> tuple[Any, Any]:
        inbox, outbox = await self._inner.__aenter__()
        return _Inbox(inbox, self._ended), outbox

    async def __aexit__(self, *exc: Any) -> bool | None:  # noqa: ANN401 - as contexts have it
        return await self._inner.__aexit__(*exc)


class _Inbox:
    """Messages from a server; tells when no more come."""

    def __init__(self, inner: Any, ended: Ended) -> None:  # noqa: ANN401 - any stream of the SDK
        self._inner = inner
        self._ended = ended

    @property
    def last_context(self) -> Any:  # noqa: ANN401 - the SDK's own
        return getattr(self._inner, "last_context", None)

    async def receive(self) -> SessionMessage | Exception:
        return await self._inner.receive()

    async def aclose(self) -> None:
        await self._inner.aclose()

    def __aiter__(self) -> _Inbox:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self._inner.__anext__()
        except (StopAsyncIteration, anyio.ClosedResourceError):
            self._ended(End("the connection was closed"))
            raise

    async def __aenter__(self) -> _Inbox:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()


async def _decline(
    context: ClientRequestContext, params: types.ElicitRequestParams
) -> types.ElicitResult:
    """Nobody can be asked here (runtime.md §10.7)."""
    return types.ElicitResult(action="decline")


def _roots(directory: Path) -> ListRootsFnT:
    async def answer(context: ClientRequestContext) -> types.ListRootsResult:
        root = types.Root.model_validate({"uri": directory.as_uri(), "name": directory.name})
        return types.ListRootsResult(roots=[root])

    return answer


async def _log(params: types.LoggingMessageNotificationParams) -> None:
    log.debug("%s: %s", params.logger or "mcp", params.data)


def _told_to(listener: Progress) -> ProgressFnT:
    async def told(progress: float, total: float | None, message: str | None) -> None:
        share = f"{progress:g}" if total is None else f"{progress:g} of {total:g}"
        await listener(f"{message} ({share})\n" if message else f"{share}\n")

    return told
