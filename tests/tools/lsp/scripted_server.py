"""A language server without any library: answers as its file of answers says, notes what it hears,
and behaves as badly as its first argument (JSON) says.

`answers`: results by method; `{"error": …}` is one, `{"errors": n, …}` one for the first n times.
`{uri}` in them is the address of the file that is asked about, `{folder}` of the workspace.
`capabilities`: in place of all. `encoding`: in what it counts. `notes`: a file that gets a line for
each message. `problems`: published for each text it is shown, as of the text `behind` it. `starts`:
a file that gets a line for each start. `silent`: methods that are never answered. `crash_at`: the
method at which it ends with status 7. `exit`: end with this status instead of starting. `chatty`:
print before each message. `flood`: the method at which it writes a message without end; `garbage`:
one at which it writes what is none; `huge`: one that it answers with so many bytes. `deaf_at`: the
method after which it reads no more. `asks`: by method, a request of its own that it makes first.
`held`: by method, how many of its requests are answered at once, and the file that the next ones
wait for. `stubborn`: ignore the end of stdin, `shutdown` and SIGTERM. `child`: a file that gets its
own id and that of a child.
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

settings: dict[str, Any] = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
answers: dict[str, Any] = settings.get("answers", {})
counts: dict[str, int] = {}
folder: list[str] = []
waiting: dict[str, Any] = {}

EVERYTHING = (
    *("hover", "definition", "references", "documentSymbol", "workspaceSymbol", "rename"),
    *("documentFormatting", "callHierarchy", "typeHierarchy", "implementation", "inlayHint"),
)


def note(what: str, params: Any) -> None:  # noqa: ANN401 - JSON
    """Remember what was heard."""
    if path := settings.get("notes"):
        with Path(path).open("a") as file:
            file.write(f"{json.dumps([what, params])}\n")


def send(**message: Any) -> None:  # noqa: ANN401 - JSON
    """One message."""
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    if settings.get("chatty"):
        write(b"a word from a wrapper\n")
    write(b"Content-Length: %d\r\nContent-Type: application/vscode-jsonrpc\r\n\r\n" % len(body))
    write(body)


def write(data: bytes) -> None:
    """Bytes to whoever listens."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def read() -> dict[str, Any] | None:
    """The next message."""
    length = 0
    while (line := sys.stdin.buffer.readline()).strip():
        name, _, value = line.decode().partition(":")
        if name.lower() == "content-length":
            length = int(value)
    return json.loads(sys.stdin.buffer.read(length)) if line else None


def greet(id: object, params: dict[str, Any]) -> None:
    """Say what it can."""
    folder.append(params["rootUri"])
    everything: dict[str, Any] = {f"{each}Provider": True for each in EVERYTHING}
    everything |= {
        "signatureHelpProvider": {},
        "codeActionProvider": {"resolveProvider": True},
        "textDocumentSync": {"openClose": True, "change": 2, "save": {"includeText": True}},
    }
    offered = settings.get("capabilities", everything)
    if encoding := settings.get("encoding"):
        offered["positionEncoding"] = encoding
    server = {"name": "scripted", "version": "1"}
    send(id=id, result={"capabilities": offered, "serverInfo": server})


def filled(value: Any, uri: str) -> Any:  # noqa: ANN401 - JSON
    """An answer with its addresses."""
    text = json.dumps(value).replace("{uri}", uri).replace("{folder}", folder[0])
    return json.loads(text)


def answer(id: object, method: str, params: dict[str, Any]) -> None:
    """Answer as it is told to."""
    named: dict[str, str] = params.get("textDocument") or params.get("item") or {}
    uri = named.get("uri", "")
    counts[method] = counts.get(method, 0) + 1
    found: Any = answers.get(method)
    at_once, sign = settings.get("held", {}).get(method, (99, ""))
    while counts[method] > at_once and not Path(sign).exists():
        time.sleep(0.01)
    told: Any = found if hasattr(found, "get") else {}
    if "error" in told and counts[method] <= told.get("errors", 99):
        send(id=id, error=told["error"])
    else:
        send(id=id, result=filled(told.get("then", found), uri))


def misbehave(method: str) -> None:
    """What a bad server does at a message."""
    if settings.get("crash_at") == method:
        sys.stderr.write("about to crash\n")
        sys.stderr.flush()
        os._exit(7)
    if settings.get("garbage") == method:
        write(b"this is no message at all\n" * 10_000)
    if settings.get("flood") == method:
        write(b"Content-Length: 999999999\r\n\r\n")
        while True:
            write(b"x" * 65536)


def heard(message: dict[str, Any]) -> None:
    """Take one message."""
    method, id = message.get("method"), message.get("id")
    params: dict[str, Any] = message.get("params") or {}
    if method is None:
        note("answered", message.get("result") or message.get("error"))
        if id in waiting:
            answer(*waiting.pop(str(id)))
        return
    note(method, params)
    misbehave(method)
    if method == "initialize":
        greet(id, params)
    elif method == "shutdown":
        send(id=id, result=None)
    elif method in settings.get("asks", {}):
        waiting["ours"] = (id, method, params)
        wanted = settings["asks"][method]
        send(id="ours", method=wanted["method"], params=filled(wanted["params"], ""))
    elif method == "textDocument/didOpen" or method == "textDocument/didChange":
        if "problems" in settings:
            document = params["textDocument"]
            version = document["version"] - settings.get("behind", 0)
            told = {"uri": document["uri"], "version": version}
            told["diagnostics"] = settings["problems"]
            send(method="textDocument/publishDiagnostics", params=told)
    elif method in settings.get("silent", ()):
        pass
    elif method in settings.get("huge", {}):
        send(id=id, result={"contents": "x" * settings["huge"][method]})
    elif id is not None:
        answer(id, method, params)
    if settings.get("deaf_at") == method:
        time.sleep(600)


def main() -> None:
    """Serve until told to end."""
    if starts := settings.get("starts"):
        with Path(starts).open("a") as file:
            file.write("started\n")
    if "exit" in settings:
        sys.stderr.write("cannot start: no configuration\n")
        sys.exit(settings["exit"])
    if settings.get("stubborn"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if child := settings.get("child"):
        sleeper = (
            "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
        )
        started = subprocess.Popen([sys.executable, "-c", sleeper])
        Path(child).write_text(f"{os.getpid()} {started.pid}")
    while (message := read()) is not None:
        if message.get("method") == "exit" and not settings.get("stubborn"):
            sys.exit(0)
        heard(message)
    while settings.get("stubborn"):
        time.sleep(600)


main()
