"""The promises of the road to a model: connections, streams, failures, fallbacks."""

from __future__ import annotations

from tests.promises.promise import kept

MODELS = [
    *kept(
        "DESIGN.md §5",
        {
            "models:sse": (
                "Event streams are read as the HTML standard has them, however they are cut."
            ),
            "models:http:framing": (
                "An answer ends by its length, its chunks or its connection; interim answers, "
                "odd heads and unasked compression are read."
            ),
            "models:http:malformed": (
                "What is no HTTP is refused at once and its connection closed."
            ),
            "models:http:reuse": "Connections are used again while they can carry another request.",
            "models:http:cancel": (
                "Cancelling, leaving early and closing are seen by the peer at once."
            ),
            "models:http:tls": (
                "TLS is spoken to those whose certificate is trusted for the host, and to nobody "
                "else."
            ),
            "models:http:proxy": (
                "The environment's proxies carry requests, never those to this machine."
            ),
            "models:chat:batches": "What one read brought is one batch.",
            "models:chat:connection": (
                "A connection is used again after every kind of end but one without end."
            ),
            "models:chat:law": (
                "How a stream is cut changes neither the reply nor what was shown; what was "
                "shown is the reply's text."
            ),
        },
    ),
    *kept(
        "DESIGN.md §5; agent-file.md §3.2.1",
        {
            "models:http:request": (
                "A request has its length, asks for no compression, and carries no header that "
                "could be two."
            ),
        },
    ),
    *kept(
        "agent-file.md §3.10",
        {
            "models:http:cut": (
                "A cut answer is an error that may pass, and what came before it is not lost."
            ),
            "models:http:address": (
                "A bad address is an error of ours; a refused connection may pass."
            ),
            "models:failures:status": "The status decides what may be tried again.",
            "models:fallback:retry": (
                "A failure that passes is tried again, 1 + retries times, after 0.2, 0.4 … 2 s."
            ),
            "models:fallback:next": "A failure that stays goes to the next model at once.",
            "models:fallback:cooldown": (
                "A fallback stays for the cooldown after a lasting failure of the first model."
            ),
        },
    ),
    *kept(
        "runtime.md §3.8",
        {
            "models:http:stalled": "A provider that falls silent has stalled.",
            "models:chat:cancel": "Cancelling a model call is seen by the provider.",
        },
    ),
    *kept(
        "DESIGN.md §5; DESIGN.md §8",
        {
            "models:http:stale": (
                "A request that met a closing connection goes out once more, never after a byte "
                "of an answer."
            ),
        },
    ),
    *kept(
        "runtime.md §4.1",
        {
            "models:chat:stream": (
                "Every habit of a server's stream comes to its deltas and one whole reply."
            ),
            "models:chat:json": "A whole JSON answer to a request for a stream is as good.",
        },
    ),
    *kept(
        "DESIGN.md §1",
        {
            "models:chat:card": "A reply names the model that spoke.",
        },
    ),
    *kept(
        "runtime.md §4.2; runtime.md §4.3",
        {
            "models:chat:errors": (
                "Whatever goes wrong is one error that says its kind, whether it may pass and "
                "whether text was shown, and no key."
            ),
        },
    ),
    *kept(
        "agent-file.md §3.2.3",
        {
            "models:chat:messages": "Every kind of message and part has its form on the wire.",
            "models:chat:tools": (
                "Tools are offered with a choice; without tools nothing is said of them."
            ),
            "models:schema:cases": "A tool's schema is written as OpenAI's API wants it.",
            "models:schema:law": (
                "In any schema every object is closed and requires all it has; the given one "
                "stays unchanged."
            ),
            "models:resolve:output": "Newer models have another name for the cap on tokens.",
        },
    ),
    *kept(
        "agent-file.md §3.2.1",
        {
            "models:chat:merge": (
                "Neighbouring system and user messages are merged for those who need it."
            ),
            "models:chat:settings": (
                "Usage is asked for unless the file says no; headers and extra options reach the "
                "provider."
            ),
            "models:resolve:endpoints": (
                "Every row of the provider table is reached, with its own key and headers."
            ),
            "models:resolve:key": (
                "A needed key that is unset is an error; none leaves for those who need none."
            ),
            "models:resolve:headers": (
                "Headers of the file go with every request, names without case."
            ),
        },
    ),
    *kept(
        "chat-server.md §3; agent-file.md §3.2.3",
        {
            "models:chat:sampling": "Sampling is the client's within the limits of the file.",
        },
    ),
    *kept(
        "chat-server.md §3",
        {
            "models:chat:format": "The shape of the answer is asked for.",
        },
    ),
    *kept(
        "runtime.md §4.2; runtime.md §B",
        {
            "models:failures:overflow": (
                "A context that is too long is known by code, status and words, and never tried "
                "again."
            ),
            "models:failures:stream": "An error inside a stream is known by its code and words.",
        },
    ),
    *kept(
        "runtime.md §4.2",
        {
            "models:failures:retry-after": (
                "How long a provider asks to wait is read from its headers."
            ),
            "models:fallback:rate-limit": (
                "A rate limit of the last model is waited out up to 60 s."
            ),
            "models:fallback:deadline": "Nobody waits past the request's deadline.",
            "models:fallback:overflow": (
                "A context that is too long goes to no other try and no other model."
            ),
            "models:fallback:cancel": "Cancellation ends a pause and is never tried again.",
        },
    ),
    *kept(
        "runtime.md §4.3",
        {
            "models:failures:body": (
                "A provider's message is found wherever it stands, and any body is survived."
            ),
            "models:failures:log": (
                "The log has a refusal's type, code, param and request id; clients the short form."
            ),
            "models:fallback:reads": (
                "A stand-in that reads text only is shown no pictures, the first model is."
            ),
            "models:fallback:all-failed": (
                "When every model of a chain failed, the error says so and why the last one did."
            ),
            "models:failures:secrets": (
                "A provider's words reach clients without keys and addresses, bounded."
            ),
        },
    ),
    *kept(
        "DESIGN.md §8",
        {
            "models:fallback:emitted": "A call that has shown something is never tried again.",
            "models:fallback:law": (
                "In any chain tries are bounded, in the file's order, and nothing is said twice."
            ),
        },
    ),
    *kept(
        "agent-file.md §2.7.2",
        {
            "models:fallback:alloy": "An alloy chooses for each call.",
        },
    ),
    *kept(
        "agent-file.md §3.1; agent-file.md §3.2.1; agent-file.md §2.8",
        {
            "models:resolve:address": (
                "Where a model is: its own address, its definition's, its row's, with variables "
                "filled in."
            ),
        },
    ),
    *kept(
        "agent-file.md §2.8.1",
        {
            "models:resolve:merge": (
                "A definition fills what its model leaves open; options merge key by key."
            ),
        },
    ),
    *kept(
        "agent-file.md §3.1",
        {
            "models:resolve:protocol": "Which protocol a model speaks; unknown ones are errors.",
        },
    ),
    *kept(
        "agent-file.md §3.9",
        {
            "models:resolve:thinking": "A thinking budget is an effort to OpenAI's models.",
        },
    ),
    *kept(
        "agent-file.md §3.7",
        {
            "models:resolve:body": "Options of the file reach the body.",
        },
    ),
]
