"""One line per request in the log: who asked whom, what it cost, and how it ended.

No header, no body, no query and no key is ever in it. Source: `--log-format`.
"""

from __future__ import annotations

import logging

from docker_agent.server.record import Ended

access = logging.getLogger("docker_agent.access")
MAX_PATH = 200


def log_access(ended: Ended) -> None:
    """A `Watcher`."""
    if not access.isEnabledFor(logging.INFO):
        return
    fields: dict[str, object] = {
        "request_id": ended.request_id,
        "caller": ended.caller,
        "method": ended.method,
        "path": ended.path[:MAX_PATH],
        "status": ended.status,
        "ms": round(ended.seconds * 1000, 1),
    }
    if ended.error is not None:
        fields["error"] = ended.error[1]
    record = ended.run
    if record is not None:
        usage = record.usage
        fields |= {
            "agent": record.agent,
            "model": ",".join(record.models),
            "stream": record.stream,
            "prompt_tokens": usage.prompt,
            "completion_tokens": usage.completion,
            "tool_calls": len(record.tools),
        }
        if record.first_token is not None:
            fields["first_token_ms"] = round((record.first_token - ended.started) * 1000, 1)
        if record.conversation is not None:
            fields["conversation"] = record.conversation
    access.info("request", extra={"fields": fields})
