"""The promises of chat-server.md §4 and §5: replies, streams, errors, who may come in."""

from __future__ import annotations

from tests.promises.promise import kept

REPLIES = "chat-server.md §4"
ACTIVITY = "chat-server.md §5"

CHAT_REPLIES = [
    *kept(
        REPLIES,
        {
            "chat:4:json": "A JSON reply is OpenAI's chat.completion, nullable fields present.",
            "chat:4:same-text": (
                "The text is all depth-0 text of the run, a blank line between turns, the same "
                "in both modes."
            ),
            "chat:4:model-echo": "model echoes the request's, or is the agent's name.",
            "chat:4:finish-reasons": "The finish reason is that of the last model call.",
            "chat:4:refusal": "A refusal is the finish reason content_filter.",
            "chat:4:reasoning": (
                "Reasoning stands in reasoning_content, never in content, the same in both modes."
            ),
            "chat:4:usage-sum": (
                "usage is the sum of all model calls of the run, sub-agents included; the text "
                "of sub-agents is not content."
            ),
            "chat:4:usage-missing": "A model that counts no tokens gives zeros.",
            "chat:4:never-empty": "A successful answer without calls is never empty.",
            "chat:4:last-chunk-text": "Text in the chunk of the finish reason is not lost.",
            "chat:4:early-role": "Status, headers and role chunk leave before the model is called.",
            "chat:4:stream": (
                "Content as it arrives, one finish reason, [DONE]; one id, created, model; "
                "finish_reason null is explicit."
            ),
            "chat:4:stream-usage": "The usage chunk comes only when asked for; others say null.",
            "chat:4:lines": (
                "No id, event or retry lines, LF, no compression, and headers that keep proxies "
                "from buffering."
            ),
            "chat:4:one-write": "Pieces that arrived together share a write, each its own event.",
            "chat:4:cut-stream": "An error in a stream is an event, then [DONE], no finish chunk.",
            "chat:4:error-table": "Each kind of error has its status, type, code and headers.",
            "chat:4:error-kinds": "Overflow, rate limit and failure of a model are told apart.",
            "chat:4:no-retry-after-tools": (
                "A failure after a tool has run carries x-should-retry: false."
            ),
            "chat:4:no-secrets": "Messages say what failed; no stack, path, key or secret.",
            "chat:4:constant-time": "Keys are compared in constant time.",
            "chat:4:order": "Answered in this order: request id, size, auth, body.",
            "chat:4:rebinding": "On loopback without a key a foreign Host is refused.",
            "chat:4:cross-site": (
                "On loopback without a key cross-site requests are refused, but at /openapi.json "
                "and /health."
            ),
            "chat:4:insecure": "--insecure-no-auth takes any Host, still no cross-site request.",
        },
    ),
    *kept(
        REPLIES,
        {"chat:4:hook-blocked": "A hook that says no is 403 hook_blocked."},
    ),
    *kept(
        ACTIVITY,
        {
            "chat:4:server-tools-hidden": "Tools the server ran are invisible to the client.",
        },
    ),
    *kept(
        ACTIVITY,
        {
            "chat:5:reasoning": "Tool activity as lines in reasoning_content.",
            "chat:5:markdown": "Tool activity inline.",
            "chat:5:status": "Tool activity as status events beside an empty delta.",
            "chat:5:openai": "Tool activity as tool_calls with the finish reason stop.",
            "chat:5:extra-keys": "Nothing a client must act on rides on an extra key.",
        },
    ),
]
