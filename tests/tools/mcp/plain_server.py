"""An MCP server without any library, of the old protocol: starts at once, and behaves as badly as
its first argument (JSON) says.

`exit`: end with this status instead of starting. `wait_for`: start once this file is there.
`starts`: a file that gets a line for each start. `stubborn`: ignore the end of stdin and SIGTERM.
`child`: a process of its own, whose id goes into this file; `apart`: in a session of its own.
`deaf_after`: so many pages of listings.
`chatty`: print what is no message.
`name`: of the extra tool. `notes`: a file that gets what happened, a line each.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

VERSION = "2025-06-18"

settings: dict[str, Any] = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
notes: list[str] = []
pending: dict[object, str] = {}
asked: dict[str, dict[str, Any]] = {}
pages: list[str] = []
tools = [
    *("echo", "slow", "notes", "crash", "leave", "huge", "endless", "environment"),
    *("grow", "ask", "asks", "sample", "roots", "broken", settings.get("name", "odd name/é")),
]


def note(text: str) -> None:
    """Remember what happened."""
    notes.append(text)
    if path := settings.get("notes"):
        with Path(path).open("a") as file:
            file.write(f"{text}\n")


def send(**message: Any) -> None:  # noqa: ANN401 - JSON
    """One message."""
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def answer(to: object, text: str, *, is_error: bool = False) -> None:
    """The result of a call."""
    send(id=to, result={"content": [{"type": "text", "text": text}], "isError": is_error})


def call(id: object, params: dict[str, Any]) -> None:
    """Run a tool."""
    given: dict[str, Any] = params.get("arguments") or {}
    meta: dict[str, Any] = params.get("_meta") or {}
    token: Any = meta.get("progressToken")
    match params["name"]:
        case "echo":
            answer(id, json.dumps(given))
        case "slow":
            note("slow began")
            if token is not None:
                progress: dict[str, Any] = {
                    "progressToken": token,
                    "progress": 1,
                    "message": "began",
                }
                send(method="notifications/progress", params=progress)
        case "notes":
            answer(id, json.dumps(notes))
        case "crash":
            sys.stderr.write("about to crash\n")
            sys.stderr.flush()
            os._exit(7)
        case "leave":
            os._exit(0)
        case "huge":
            answer(id, "x" * given["size"])
        case "endless":
            while True:
                sys.stdout.write("x" * 65536)
        case "environment":
            answer(id, json.dumps({"environ": dict(os.environ), "cwd": str(Path.cwd())}))
        case "grow":
            tools.append("grown")
            send(method="notifications/tools/list_changed")
            answer(id, "grown")
        case "broken":
            send(id=id, error={"code": -32603, "message": "it broke inside"})
        case "ask" | "sample" | "roots" as kind:
            pending[f"{kind}-{id}"] = json.dumps(id)
            method, wanted = REQUESTS[kind]
            send(id=f"{kind}-{id}", method=method, params=wanted)
        case "asks":
            asked[f"asks-{id}"] = {"call": id, "since": time.monotonic(), "order": []}
            method, question = REQUESTS["ask"]
            send(id=f"asks-{id}", method=method, params=question)
            send(id=f"ping-{id}", method="ping")
        case name:
            answer(id, f"this is {name}")


REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "ask": (
        "elicitation/create",
        {
            "message": "Which one?",
            "requestedSchema": {"type": "object", "properties": {"one": {"type": "string"}}},
        },
    ),
    "sample": (
        "sampling/createMessage",
        {
            "messages": [{"role": "user", "content": {"type": "text", "text": "hi"}}],
            "maxTokens": 5,
        },
    ),
    "roots": ("roots/list", {}),
}


def asks(id: str, message: dict[str, Any]) -> None:
    """An answer to the question, or to the ping that was sent behind it; after both, which came
    first, what was answered, and after how many seconds."""
    kind, _, number = id.partition("-")
    found = asked[f"asks-{number}"]
    found["order"].append(kind)
    if kind == "asks":
        found["answer"] = message.get("result") or message["error"]
        found["seconds"] = time.monotonic() - found["since"]
    if len(found["order"]) == 2:
        answer(found.pop("call"), json.dumps(found))


def greet(id: object, params: dict[str, Any]) -> None:
    """The first answer."""
    note(json.dumps(params))
    result = {
        "protocolVersion": VERSION,
        "capabilities": {"tools": {"listChanged": True}},
        "serverInfo": {"name": "plain", "version": "1"},
        "instructions": "Be plain.",
    }
    send(id=id, result=result)


def heard(message: dict[str, Any]) -> None:
    """Take one message."""
    id: Any = message.get("id")
    params: dict[str, Any] = message.get("params") or {}
    match message.get("method"):
        case "initialize":
            greet(id, params)
        case "tools/list" if settings.get("deaf_after", 99) > len(pages):
            pages.append(str(id))
            schema = {"type": "object", "properties": {"text": {"type": "string"}}}
            listed = [{"name": each, "inputSchema": schema} for each in tools]
            listed[0] |= {"annotations": {"readOnlyHint": True}, "description": "Say it again."}
            half = len(listed) // 2
            page = (
                {"tools": listed[half:]}
                if params.get("cursor")
                else {
                    "tools": listed[:half],
                    "nextCursor": "2",
                }
            )
            send(id=id, result=page)
        case "tools/list":
            pass
        case "tools/call":
            call(id, params)
        case "ping":
            send(id=id, result={})
        case "notifications/cancelled":
            note(f"cancelled {params.get('reason', '')}".strip())
        case None if str(id).startswith(("asks-", "ping-")):
            asks(str(id), message)
        case None if id in pending:
            answer(
                json.loads(pending.pop(id)), json.dumps(message.get("result") or message["error"])
            )
        case None:
            pass
        case method if id is not None:
            send(id=id, error={"code": -32601, "message": f"no {method} here"})
        case _:
            pass


def main() -> None:
    """Serve until stdin ends."""
    if starts := settings.get("starts"):
        with Path(starts).open("a") as file:
            file.write("started\n")
    if "exit" in settings:
        sys.stderr.write("cannot start: no configuration\n")
        sys.exit(settings["exit"])
    if settings.get("stubborn"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if child := settings.get("child"):
        process = subprocess.Popen(
            ["sleep", "600"],
            stdin=subprocess.DEVNULL,
            start_new_session=bool(settings.get("apart")),
        )
        Path(child).write_text(f"{process.pid} {os.getpid()}")
    if awaited := settings.get("wait_for"):
        while not Path(awaited).exists():
            time.sleep(0.01)
    if settings.get("chatty"):
        print("Welcome to the plain server!\n{}\n[1, 2]", flush=True)  # noqa: T201
    for line in sys.stdin:
        heard(json.loads(line))
    while settings.get("stubborn"):
        time.sleep(1)


main()
