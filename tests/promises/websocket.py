"""The promises of the Responses API over a websocket."""

from __future__ import annotations

from tests.promises.promise import kept

WEBSOCKET = [
    *kept(
        "agent-file.md §3.7",
        {
            "models:websocket:wire": (
                "OpenAI's own client gets along with the scripted websocket of the Responses API."
            ),
            "models:websocket:reuse": (
                "A connection serves one question after the other, while it is young; questions "
                "at once have one each."
            ),
            "models:websocket:fallback": (
                "HTTP is used with a gateway, where no websocket opens, and where one breaks "
                "before an answer begins."
            ),
            "models:websocket:errors": (
                "A refusal over a websocket is what it is over HTTP; a silent one is given up."
            ),
            "models:websocket:product": (
                "An agent answers over websockets through the whole product; recordings use HTTP."
            ),
        },
    ),
]
