"""Further promises of the server: bodies, limits, what is shown and what is counted."""

from __future__ import annotations

from tests.promises.promise import kept

SERVER = [
    *kept(
        "DESIGN.md §8",
        {
            "design:8:no-pool": (
                "A run makes nothing that would be worth pooling, whatever --max-idle-runtimes "
                "says, and finds nothing that another run left."
            ),
        },
    ),
    *kept(
        "chat-server.md §3; clients.md §3.3",
        {
            "server:packed-bodies": (
                "gzip, deflate, br and zstd bodies are decoded, two over each other too; a bomb "
                "is 413 and costs no memory; broken or cut data is 400; unknown encodings 415."
            ),
        },
    ),
    *kept(
        "runtime.md §18.1; chat-server.md §4",
        {
            "server:slow-heads": (
                "A head that does not arrive in 30 seconds is 408, one that is too long 431, both "
                "in the error shape; a silent connection is closed."
            ),
            "server:unread-bodies": (
                "A client that ends the connection with its request gets the error, also when its "
                "body was refused unread."
            ),
            "server:slow-readers": (
                "A client that takes no more of an answer that is complete is cut off: after "
                "--request-timeout for the end of a stream, after 75 seconds for a whole answer; "
                "a connection nobody uses is closed after as long."
            ),
            "server:slow-bodies": "A body that does not arrive in time is 408, and the end.",
        },
    ),
    *kept(
        "chat-server.md §1; chat-server.md §7",
        {
            "server:redis": (
                "--conversations redis://… shares conversations among servers: a lease with "
                "renewal, a lost one keeps nothing, cap and TTL hold; a store that is gone is 503."
            ),
        },
    ),
    *kept(
        "chat-server.md §1; chat-server.md §4",
        {
            "server:access-log": (
                "--log-format text|json: a line for each request with request id, caller, agent, "
                "model, tokens and duration, never a secret; without the flag there is none."
            ),
        },
    ),
    *kept(
        "chat-server.md §1; clients.md §3.6",
        {
            "server:rate-limit": (
                "--rate-limit bounds the requests of each key; more are 429 with Retry-After, "
                "retry-after-ms and the x-ratelimit headers."
            ),
        },
    ),
]
