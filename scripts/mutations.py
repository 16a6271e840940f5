"""One-line breakages of src: what was there, what stands there instead, and the tests that must
notice."""

from __future__ import annotations

from typing import NamedTuple


class Mutation(NamedTuple):
    """`file` is below src/docker_agent; `line` stands there exactly once."""

    file: str
    line: str
    broken: str
    tests: str


LIVES = "tests/server/test_lives.py"
DOORS = "tests/server/test_doors.py"
REPLIES = "tests/server/test_replies.py"
REQUESTS = "tests/server/test_requests.py"
TOOLS = "tests/server/test_tools.py"
PORTS = "tests/test_ports.py"
MCP_STDIO = "tests/tools/mcp/test_stdio.py"
MCP_HTTP = "tests/tools/mcp/test_http.py"
MCP_OAUTH = "tests/tools/mcp/test_oauth.py"
MCP_DOCKER = "tests/tools/mcp/test_docker.py"
MCP_CATALOG = "tests/tools/mcp/test_mcp_catalog.py"

MUTATIONS = [
    # the road of a token
    Mutation("server/stream.py", "        if source.depth:", "        if source.depth > 9:", TOOLS),
    Mutation(
        "server/stream.py",
        'self._chunk(b\'{"role":"assistant","content":""}\')',
        'self._chunk(b"{}")',
        REPLIES,
    ),
    Mutation(
        "server/stream.py",
        'await self._write(b"".join((*pieces, _DONE)), more=False)',
        'await self._write(b"".join(pieces), more=False)',
        REPLIES,
    ),
    Mutation(
        "server/stream.py",
        "        if self._usage:\n            usage =",
        "        if True:\n            usage =",
        REPLIES,
    ),
    Mutation(
        "server/stream.py",
        "        if silent >= self._keep_alive and",
        "        if silent >= 9e9 and",
        LIVES,
    ),
    Mutation(
        "server/exchange.py",
        "    if given and len(given) <= _MAX_REQUEST_ID and given.isascii():",
        "    if given and given.isascii():",
        DOORS,
    ),
    Mutation(
        "server/routes/completions.py",
        "            work.cancel()",
        "            pass",
        f"{LIVES} -k hangs_up",
    ),
    Mutation(
        "models/connection.py",
        "            self._transport.pause_reading()",
        "            pass",
        f"{LIVES} -k stops_reading",
    ),
    Mutation(
        "models/openai_chat.py",
        "        if chunk.usage is not None:",
        "        if chunk.usage is not None and not chunk.choices:",
        "tests/models/test_openai_chat.py",
    ),
    Mutation(
        "models/streamed.py",
        "                await self._show(answer.take(reader.finish()))",
        "                reader.finish()",
        "tests/models/test_openai_chat.py",
    ),
    Mutation(
        "sse.py",
        '            rest = rest.replace(b"\\r", b"\\n")',
        "            pass",
        "tests/test_sse.py",
    ),
    Mutation(
        "models/fallback.py",
        "                if exc.emitted or retry == self._retries or pause is None:",
        "                if retry == self._retries or pause is None:",
        "tests/models/test_fallback.py",
    ),
    Mutation(
        "models/fallback.py",
        "return wait if wait <= MAX_RETRY_AFTER else None",
        "return wait",
        "tests/models/test_fallback.py",
    ),
    Mutation(
        "models/http.py",
        "                if connection.answered or exc.stalled:",
        "                if True:",
        "tests/models/test_http.py",
    ),
    Mutation(
        "models/failures.py",
        "    text = scrubbed(text, filter(None, secrets))",
        "    pass",
        LIVES,
    ),
    # the loop
    Mutation(
        "runtime/turn.py",
        "        self._following = tuple(kind for kind, before in said if before)",
        "        self._following = ()",
        TOOLS,
    ),
    Mutation(
        "runtime/turn.py",
        "    ledger.usage += reply.usage",
        "    ledger.usage = reply.usage",
        TOOLS,
    ),
    Mutation(
        "runtime/turn.py",
        "        choice=overrides.choice if overrides and first else AUTO,",
        "        choice=AUTO,",
        REQUESTS,
    ),
    Mutation(
        "runtime/loop.py",
        "    if failure is None:\n        digest",
        "    if True:\n        digest",
        PORTS,
    ),
    Mutation(
        "runtime/loop.py", "        Draft(last.state if last else None),", "        Draft(),", PORTS
    ),
    Mutation(
        "runtime/loop.py",
        "last.agent if last and last.agent in team.agents else request.entry",
        "request.entry",
        PORTS,
    ),
    Mutation("runtime/calls.py", "    ledger.acted = True", "    pass", TOOLS),
    Mutation("runtime/calls.py", "    if not decision.allowed:", "    if False:", TOOLS),
    Mutation(
        "runtime/limits.py",
        "        if not self._limit or self._count < self._limit:",
        "        if not self._limit or self._count <= self._limit:",
        TOOLS,
    ),
    Mutation("runtime/prompt.py", "answers.setdefault(answer.call_id, answer)", "pass", TOOLS),
    Mutation(
        "runtime/delegation.py",
        "        strictest(strand.mode, agent.safety),",
        "        strand.mode,",
        "tests/runtime",
    ),
    # who may come in, and do what
    Mutation(
        "permissions.py",
        '    if mode == "autonomous" or (found == "safe" and mode != "strict"):',
        '    if mode == "autonomous" or found == "safe":',
        "tests/test_permissions.py",
    ),
    Mutation(
        "permissions.py",
        "    if _refuses(rules.deny, name, arguments, meaning):",
        "    if False:",
        TOOLS,
    ),
    Mutation(
        "server/keys.py",
        "            if hmac.compare_digest(known, digest):",
        "            if True:",
        DOORS,
    ),
    Mutation(
        "server/auth.py", "    if host_name(host) not in settings.hosts:", "    if False:", DOORS
    ),
    Mutation("server/auth.py", "    if cross:", "    if False:", DOORS),
    Mutation(
        "server/app.py",
        "            if path not in OPEN_PATHS:",
        '            if path == "/v1/chat/completions":',
        DOORS,
    ),
    Mutation(
        "server/body.py",
        "        if size > limit:",
        "        if size > limit * 1000:",
        "tests/server -k chunked",
    ),
    Mutation(
        "server/body.py",
        "body = ENCODINGS[name](body, limit)",
        "body = ENCODINGS[name](body, limit * 1000)",
        "tests/server/test_bodies.py",
    ),
    Mutation(
        "server/wire.py",
        "    except msgspec.ValidationError as exc:",
        "    except ZeroDivisionError as exc:",
        REQUESTS,
    ),
    Mutation(
        "server/translate.py",
        "    if not any(call.id in answered for call in calls):",
        "    if False:",
        REQUESTS,
    ),
    Mutation(
        "cli/opening.py",
        'flags.safety or ("autonomous" if at_home and source.local else "restricted")',
        'flags.safety or "autonomous"',
        TOOLS,
    ),
    Mutation(
        "cli/prepare.py",
        "    if not listen.is_loopback and not keys.any and not flags.insecure_no_auth:",
        "    if False:",
        "tests/cli",
    ),
    # the files
    Mutation(
        "tools/filesystem/handles.py",
        'getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW',
        'getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY',
        "tests/tools/filesystem",
    ),
    Mutation(
        "loader/generations.py",
        "        if self._retiring and not self._leases:",
        "        if self._retiring:",
        PORTS,
    ),
    # MCP servers
    Mutation(
        "tools/mcp/brought.py",
        "                async with sdk.connect_remote(sdk.Remote((address,)), None, ended) as session:",
        "                async with sdk.connect_remote(sdk.Remote((address,)), __import__('pathlib')"
        ".Path.cwd(), ended) as session:",
        MCP_CATALOG,
    ),
    Mutation(
        "tools/mcp/brought.py",
        "        with self._places.used((owner, offer), lambda: self._session(offer)) as session:",
        '        with self._places.used(("", offer), lambda: self._session(offer)) as session:',
        MCP_CATALOG,
    ),
    Mutation(
        "tools/mcp/brought.py",
        '        address = Address(offer.url, "streamable", private=self._private)',
        '        address = Address(offer.url, "streamable", private=True)',
        MCP_CATALOG,
    ),
    Mutation(
        "tools/mcp/brought.py",
        "        except BaseException:",
        "        except ToolError:",
        MCP_CATALOG,
    ),
    Mutation(
        "tools/mcp/catalog_toolset.py",
        "            if not well or context.conversation_id is None:",
        "            if not well:",
        MCP_CATALOG,
    ),
    Mutation(
        "tools/mcp/catalog_toolset.py",
        "                self._brought.close_one(context.owner, offer)\n            _refuse_too_many(now)",
        "                pass\n            _refuse_too_many(now)",
        MCP_CATALOG,
    ),
    Mutation(
        "tools/mcp/places.py",
        "            if not place.users and now - place.left >= self._bounds.idle:",
        "            if False:",
        MCP_CATALOG,
    ),
    Mutation(
        "tools/mcp/offers.py",
        "        return id not in self._blocked and (not self._allowed or id in self._allowed)",
        "        return id in self._allowed or id not in self._blocked and not self._allowed",
        MCP_CATALOG,
    ),
    Mutation(
        "runtime/toolbox.py",
        "        for place, spec in sorted(every, key=lambda each: each[1].brought):",
        "        for place, spec in every:",
        MCP_CATALOG,
    ),
    Mutation(
        "tools/mcp/stdio.py",
        "                if message := _message(line):",
        "                if message := SessionMessage(mcp_types.jsonrpc_message_adapter.validate_json(line)):",
        MCP_STDIO,
    ),
    Mutation(
        "tools/child.py",
        "            await self._signal(signal.SIGKILL)",
        "            pass",
        MCP_STDIO,
    ),
    Mutation(
        "tools/mcp/stdio.py",
        "                if lines.overlong:",
        "                if False:",
        MCP_STDIO,
    ),
    Mutation(
        "tools/mcp/session.py",
        '        return types.ElicitResult(action="decline")'.replace("        ", "    "),
        '    return types.ElicitResult(action="cancel")',
        MCP_STDIO,
    ),
    Mutation(
        "tools/mcp/session.py",
        "            cursor = page.next_cursor",
        "            cursor = None",
        MCP_STDIO,
    ),
    Mutation(
        "tools/mcp/toolset.py",
        "                self.life.renew(session)",
        "                pass",
        MCP_HTTP,
    ),
    Mutation("tools/mcp/content.py", "if value is not None}", "if True}", MCP_STDIO),
    Mutation(
        "tools/mcp/http.py",
        "        public = [address for address in found if self._allowed(address)]",
        "        public = list(found)",
        MCP_HTTP,
    ),
    Mutation(
        "tools/mcp/http.py",
        "            if taken > MAX_MESSAGE:",
        "            if False:",
        MCP_HTTP,
    ),
    Mutation(
        "tools/mcp/passed.py",
        "        key = who.caller, who.conversation_id, tuple(sorted(given.items()))",
        '        key = "", None, tuple(sorted(given.items()))',
        MCP_HTTP,
    ),
    Mutation(
        "tools/mcp/open.py",
        "    if not opening.trusted:\n        return failing(UNTRUSTED)",
        "    if False:\n        return failing(UNTRUSTED)",
        MCP_DOCKER,
    ),
    Mutation(
        "tools/mcp/gateway.py",
        "                path.touch(mode=0o600)",
        "                path.touch()",
        MCP_DOCKER,
    ),
    Mutation(
        "tools/mcp/oauth.py",
        "                if self._access_token() == used:",
        "                if True:",
        MCP_OAUTH,
    ),
    Mutation(
        "tools/mcp/oauth.py",
        "            self.context.token_expiry_time = grant.expires - EXPIRY_MARGIN",
        "            pass",
        MCP_OAUTH,
    ),
    Mutation(
        "tools/life.py",
        '        if self.policy.restart == "never":',
        "        if False:",
        MCP_STDIO,
    ),
    Mutation(
        "tools/life.py",
        "        if 0 <= policy.max_restarts < restarts:",
        "        if False:",
        MCP_STDIO,
    ),
    Mutation(
        "tools/life.py",
        "        if failures < QUICK_STARTS and not exc.slow:",
        "        if False:",
        MCP_STDIO,
    ),
]
