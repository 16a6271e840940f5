"""The promises of chat-server.md §2 and §3: endpoints, and what a request may say."""

from __future__ import annotations

from tests.promises.promise import kept

ENDPOINTS = "chat-server.md §2"
REQUESTS = "chat-server.md §3"

CHAT_REQUESTS = [
    *kept(
        "chat-server.md §3",
        {
            "json:depth": (
                "JSON nested deeper than 128 levels is an error in a sentence: a 400 for a "
                "client's schema, a tool error for arguments, and a toolset's tool is left out."
            ),
        },
    ),
    *kept(
        ENDPOINTS,
        {
            "chat:2:models": (
                "GET /v1/models: id, object, owned_by, then created, name, description."
            ),
            "chat:2:model": (
                "GET /v1/models/{id} is one agent; ids may hold /; unknown is 404 model_not_found."
            ),
            "chat:2:openapi": "GET /openapi.json is OpenAPI 3.1 with every route and error.",
            "chat:2:health": (
                "GET /health says that the process is up, /ready that the agents are; no key."
            ),
            "chat:2:other-v1": (
                "Other /v1 paths, above all /v1/responses, are a 404 that says what there is and "
                "what to set."
            ),
            "chat:2:paths": (
                "Trailing and doubled slashes, a missing or doubled /v1 mean the same path, "
                "without redirects and with the same key."
            ),
            "chat:2:head-options-405": (
                "HEAD answers wherever GET does, OPTIONS is 204, another method is 405 with Allow."
            ),
            "chat:2:index": (
                "GET / is one self-contained page to chat with an agent; JSON for who asks for it."
            ),
            "chat:2:one-error-shape": (
                "Every answer that is no success has the error envelope with all four keys."
            ),
            "chat:2:request-id": "x-request-id stands on every answer, echoed when sane.",
            "chat:2:nosniff": "x-content-type-options: nosniff stands on every answer.",
            "chat:2:x-agent": "x-agent names the agent really used.",
            "chat:2:x-conversation-id": "x-conversation-id stands on replies of a conversation.",
            "chat:2:metrics": "GET /metrics is Prometheus text behind the key.",
            "chat:2:openapi-headers": "The OpenAPI document names every header.",
            "chat:2:processing-ms": "openai-processing-ms stands on JSON replies.",
        },
    ),
    *kept(
        ENDPOINTS,
        {"chat:2:not-ready": "GET /ready is 503 while toolsets start, named only with the key."},
    ),
    *kept(
        REQUESTS,
        {
            "chat:3:generous": (
                "Unknown keys are ignored, null equals absent; functions, modalities, audio, "
                "prediction and store are ignored."
            ),
            "chat:3:content-type": "Content-Type may be missing or have a charset.",
            "chat:3:encodings": (
                "gzip and deflate bodies are decoded, never past the size limit; a byte order "
                "mark passes; an unknown encoding is 415."
            ),
            "chat:3:br-zstd": "br and zstd bodies are decoded.",
            "chat:3:types": (
                "A wrong type, a number out of range, n > 1, logprobs, too many stops are 400 "
                "with the JSON path in param."
            ),
            "chat:3:json": "What is no JSON object is 400.",
            "chat:3:never-500": "Nothing in a request causes a 500.",
            "chat:3:roles": (
                "system and developer are instructions; an unknown role is a user; assistant "
                "content may be text, parts, null or missing."
            ),
            "chat:3:history": "Tool calls of the history are kept when their answers follow.",
            "chat:3:no-user": "No user message and no tool result: 400 `no user message provided`.",
            "chat:3:parts": (
                "text and image_url parts (object or bare string) reach the model; unknown parts "
                "are ignored."
            ),
            "chat:3:audio-file": "input_audio and file parts reach the model.",
            "chat:3:sampling": (
                "Sampling fields reach the model; max_completion_tokens goes before max_tokens."
            ),
            "chat:3:file-limits": (
                "A client may ask for fewer tokens than the file allows, not for more."
            ),
            "chat:3:response-format": "response_format reaches the model as it is.",
            "chat:3:metadata": "metadata is echoed.",
            "chat:3:client-tools": (
                "A call for a client's tool is a tool_calls reply; the resent history with its "
                "answer goes on."
            ),
            "chat:3:held-turns": (
                "A paused turn in which server tools ran is kept, in its conversation or under "
                "its call ids, and resumed once; 409 turn_expired when it is gone."
            ),
            "chat:3:own-tool-wins": "On a name clash the agent's own tool wins.",
            "chat:3:tool-choice": "tool_choice holds for the first model call, then auto.",
            "chat:3:old-tool-messages": "Tool messages before a later user message are history.",
        },
    ),
    *kept(
        REQUESTS,
        {
            "chat:3:unsupported-part": (
                "Parts the model's API does not take are 400 unsupported_content_type."
            ),
        },
    ),
]
