"""The promises of Amazon Bedrock spoken natively."""

from __future__ import annotations

from tests.promises.promise import kept

BEDROCK = [
    *kept(
        "agent-file.md §3.2.2",
        {
            "models:bedrock:wire": (
                "The scripted Bedrock satisfies the vendor's own client, streaming, tools and "
                "signatures included, and refuses what the service refuses."
            ),
            "models:bedrock:signing": (
                "Requests without a bearer token are signed (Signature Version 4), and no error "
                "shows with what."
            ),
            "models:bedrock:credentials": (
                "Credentials are found as AWS's programs find them, kept, renewed before they "
                "end, and looked up without holding up anybody, in bounded time."
            ),
            "models:bedrock:settings": (
                "Bedrock's region, address, token and options are found as the file and the "
                "environment say."
            ),
            "models:bedrock:product": (
                "An agent with provider amazon-bedrock answers over HTTP, whole and streamed, "
                "with tools, pictures, documents and failures."
            ),
        },
    ),
    *kept(
        "DESIGN.md §6",
        {
            "models:bedrock:extra": (
                "botocore is an extra that is named at the start when it is missing, and imported "
                "when the first request must be signed."
            ),
        },
    ),
    *kept(
        "DESIGN.md §7",
        {
            "models:bedrock:stream": (
                "A ConverseStream becomes its deltas, one batch a read, and one whole reply: "
                "text, thinking, calls, stop reason, usage."
            ),
        },
    ),
    *kept(
        "DESIGN.md §5",
        {
            "models:bedrock:frames": (
                "Event-stream frames cut at any byte give the same events; checksums and a limit "
                "on size are kept."
            ),
        },
    ),
    *kept(
        "runtime.md §4.2",
        {
            "models:bedrock:errors": (
                "What goes wrong on Bedrock, before or inside a stream, is one error with its "
                "kind, transience and text, and no secret."
            ),
        },
    ),
    *kept(
        "runtime.md §3.8",
        {
            "models:bedrock:cancel": "A client that leaves closes the connection to Bedrock.",
        },
    ),
    *kept(
        "agent-file.md §3.2.3",
        {
            "models:bedrock:messages": (
                "Every kind of message has its form in Converse; calls without tools are told in "
                "words."
            ),
            "models:bedrock:replay": (
                "Signed and hidden thinking goes back to Bedrock verbatim and in its place."
            ),
            "models:bedrock:sampling": (
                "Sampling for Bedrock is the client's within the file's, in Converse's words."
            ),
            "models:bedrock:tools": "Tools go to Bedrock as toolConfig, with their choice.",
        },
    ),
    *kept(
        "chat-server.md §3",
        {
            "models:bedrock:media": (
                "Pictures, documents and sound go to Bedrock as bytes with a format; what it "
                "cannot take is the client's error."
            ),
        },
    ),
    *kept(
        "agent-file.md §4.3",
        {
            "models:bedrock:caching": (
                "Cache points stand where Anthropic's marks do, for models whose cached prompts "
                "have a price, unless they are turned off."
            ),
        },
    ),
    *kept(
        "agent-file.md §3.9",
        {
            "models:bedrock:thinking": (
                "thinking_budget becomes adaptive thinking or a budget of tokens for Bedrock's "
                "Claude, and is ignored with a warning elsewhere."
            ),
        },
    ),
    *kept(
        "runtime.md §16.1; agent-file.md §2.4",
        {
            "models:bedrock:format": (
                "A format is told to Bedrock's models in words; none is applied by the API."
            ),
        },
    ),
]
