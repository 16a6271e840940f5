"""Serve an agent file with the given command and chat with it once, whole and streamed.

usage: smoke.py COMMAND AGENT-FILE
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request


def chat(endpoint: str, *, stream: bool) -> str:
    """The answer to a greeting; fails when it is empty."""
    body = {
        "model": "root",
        "stream": stream,
        "max_tokens": 24,
        "messages": [{"role": "user", "content": "Hello!"}],
    }
    request = urllib.request.Request(
        endpoint, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=120) as reply:
        data = reply.read().decode()
    if not stream:
        return json.loads(data)["choices"][0]["message"]["content"]
    events = [line.removeprefix("data: ") for line in data.splitlines() if line]
    if events[-1] != "[DONE]":
        raise SystemExit(f"the stream did not end with [DONE]: {events[-1]}")
    chunks = [json.loads(event) for event in events[:-1]]
    return "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)


def main() -> None:
    """Start, ask twice, stop."""
    command, file = sys.argv[1:]
    server = subprocess.Popen(
        [command, "serve", "chat", file, "--listen", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        server.stdout.readline()
        endpoint = server.stdout.readline().rpartition(" ")[2].strip()
        for stream in (False, True):
            text = chat(endpoint, stream=stream)
            if not text.strip():
                raise SystemExit("the answer is empty")
            sys.stdout.write(f"{'streamed' if stream else 'whole'}: {text!r}\n")
    finally:
        server.terminate()
        if server.wait(15) != 0:
            raise SystemExit(f"the server ended with status {server.returncode}")


if __name__ == "__main__":
    main()
