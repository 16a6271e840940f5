"""The promises of the big providers spoken natively."""

from __future__ import annotations

from tests.promises.promise import kept

NATIVE = [
    *kept(
        "agent-file.md §3.2.2",
        {
            "models:anthropic:wire": (
                "The scripted Messages server satisfies the vendor's own client: text, "
                "streams, thinking, tools, errors, counting."
            ),
            "models:gemini:request": (
                "A question goes to streamGenerateContent as contents, with the key in "
                "x-goog-api-key."
            ),
            "models:gemini:settings": (
                "Google's key, address and options are found; a missing key stops the start."
            ),
            "models:gemini:product": (
                "An agent with provider google answers through the whole product."
            ),
        },
    ),
    *kept(
        "DESIGN.md §7",
        {
            "models:anthropic:stream": (
                "A Messages stream becomes its deltas and one whole reply: text, thinking, "
                "calls, stop reason, usage."
            ),
            "models:anthropic:json": (
                "A whole message in answer to a request for a stream is as good as the stream."
            ),
            "models:anthropic:card": "A reply of Anthropic names the model that spoke.",
            "models:anthropic:errors": (
                "What goes wrong with Anthropic is one error with its kind, transience and "
                "text, and no key."
            ),
            "models:anthropic:key": (
                "The key is token_key's or ANTHROPIC_API_KEY's, sent as x-api-key."
            ),
            "models:anthropic:options": (
                "provider_opts and task_budget of a Claude model are read; wrong types are ignored."
            ),
            "models:anthropic:auth": (
                "Federated sign-in replaces the key; unset variables stop the start."
            ),
            "models:anthropic:product": (
                "An agent with provider anthropic answers over HTTP, whole and streamed, with"
                " tools, pictures, shapes and failures."
            ),
            "models:gemini:scripted": (
                "Google's own client gets along with the scripted Gemini server: text, "
                "streams, thoughts, calls, errors."
            ),
            "models:gemini:cancel": (
                "A cancelled or unheard Gemini call closes the provider's connection."
            ),
            "models:responses:endpoint": (
                "The scripted Responses endpoint satisfies the official SDK in strict mode, "
                "streamed and not."
            ),
            "models:responses:answers": (
                "Every stream of the Responses API, and a response that is no stream, becomes"
                " one whole reply: text, reasoning, calls, finish, usage."
            ),
            "models:responses:law": (
                "However a Responses stream is cut into reads the reply is the same; "
                "reasoning is replayed where it stood."
            ),
            "models:responses:errors": (
                "What goes wrong on the Responses API is one error: its kind, whether it may "
                "pass, whether text was shown; never a key or address."
            ),
            "models:responses:cancel": (
                "Cancelling a call, or a client that leaves, closes the connection to the "
                "Responses endpoint."
            ),
            "models:responses:sampling": (
                "Sampling on the Responses API is the client's within the file's, only the "
                "fields it has, the cap clamped."
            ),
            "models:responses:replay": (
                "Encrypted reasoning goes back over a tool turn and in the next request of a "
                "conversation, and nobody sees it."
            ),
            "models:responses:product": (
                "The whole product works over the Responses API: streaming, tools, pictures, "
                "shapes, usage, finish reasons, errors, retries."
            ),
        },
    ),
    *kept(
        "DESIGN.md §5",
        {
            "models:anthropic:batches": (
                "What one read of Anthropic's socket brought is emitted as one batch."
            ),
            "models:anthropic:connection": (
                "The connection to Anthropic is used again after every kind of end."
            ),
            "models:anthropic:law": "A Messages stream cut at any byte gives the same reply.",
            "models:gemini:law": (
                "How a Gemini stream is cut into reads changes nothing of the reply."
            ),
            "models:responses:batches": (
                "What one read of a Responses stream brought is one batch, and nothing waits "
                "for more."
            ),
            "models:responses:connection": (
                "A connection is used again after every kind of end of a Responses stream."
            ),
        },
    ),
    *kept(
        "agent-file.md §3.10",
        {
            "models:anthropic:retry": (
                "529 and cut streams are tried again while nothing was shown."
            ),
            "models:gemini:retry": (
                "Gemini's passing failures are tried again while nothing was shown; lasting "
                "ones are errors with their status."
            ),
        },
    ),
    *kept(
        "runtime.md §3.8",
        {
            "models:anthropic:cancel": "Cancelling a call closes the connection to Anthropic.",
        },
    ),
    *kept(
        "agent-file.md §3.2.3",
        {
            "models:anthropic:context-retry": (
                "When question and answer do not fit, the answer is shortened to what is left"
                " of the window, once, before any text."
            ),
            "models:anthropic:messages": (
                "Every kind of message has its form in the Messages API; consecutive tool "
                "results form one user message."
            ),
            "models:anthropic:replay": (
                "Signed and redacted thinking goes back verbatim and in its place."
            ),
            "models:anthropic:sampling": (
                "Sampling for Anthropic is the client's within the file's, in this API's words."
            ),
            "models:anthropic:tools": (
                "Tools are sent with input_schema as it is, and the choice in this API's words."
            ),
            "models:anthropic:betas": (
                "What needs a beta of the Messages API names it in one header."
            ),
            "models:gemini:messages": (
                "Each message has its place in Gemini's contents: roles user and model, "
                "results of one turn together, media inline or by address."
            ),
            "models:gemini:schema": (
                "Tool schemas become what Gemini's API reads: one type, enum values as texts,"
                " nothing unknown."
            ),
            "models:gemini:sampling": "Sampling goes out in Gemini's words, and only what is set.",
            "models:gemini:choice": "A tool choice is one of Gemini's calling modes.",
            "models:gemini:tools": (
                "Calls of one Gemini turn are run and answered together, errors as errors."
            ),
            "models:responses:messages": (
                "Every kind of message has its input items; calls without output get a "
                "placeholder; ids fit."
            ),
            "models:responses:tools": (
                "Tools go in Responses form, strict unless their schema takes any key."
            ),
        },
    ),
    *kept(
        "agent-file.md §4.3",
        {
            "agent-file:4.3:cache-marks": (
                "Cache marks stand on the last system blocks and on the last block of the "
                "last two messages."
            ),
        },
    ),
    *kept(
        "agent-file.md §3.6",
        {
            "models:anthropic:max-tokens": (
                "max_tokens is always sent: the file's, the model's own or 32000, never "
                "raised by a client, above a thinking budget."
            ),
        },
    ),
    *kept(
        "agent-file.md §3.9",
        {
            "models:anthropic:thinking": (
                "thinking_budget becomes adaptive thinking with an effort, or a budget of "
                "tokens, by model."
            ),
            "models:gemini:thinking": (
                "A thinking budget is a level from generation 3 on, tokens for 2.5, with "
                "thoughts included."
            ),
            "models:responses:thinking": (
                "A model that thinks is asked for a detailed summary and its encrypted reasoning."
            ),
        },
    ),
    *kept(
        "runtime.md §16.1",
        {
            "models:anthropic:format": (
                "A JSON schema goes as structured output with closed objects; any JSON is "
                "asked for in words."
            ),
        },
    ),
    *kept(
        "runtime.md §4.1",
        {
            "models:gemini:stream": (
                "A Gemini stream becomes its deltas, one batch a read, and one whole reply "
                "with finish and usage."
            ),
        },
    ),
    *kept(
        "runtime.md §4.2",
        {
            "models:gemini:errors": (
                "What goes wrong with Gemini is one error: its kind, whether it may pass, how"
                " long to wait, whether text was shown; no key, no address."
            ),
        },
    ),
    *kept(
        "agent-file.md §2.4",
        {
            "models:gemini:format": (
                "A format is responseMimeType and a JSON schema; an older model with tools is"
                " told it in words."
            ),
        },
    ),
    *kept(
        "runtime.md §2.1",
        {
            "models:gemini:signatures": (
                "Thought signatures are replayed verbatim to Gemini, each with the part it "
                "came with."
            ),
        },
    ),
    *kept(
        "chat-server.md §3",
        {
            "models:responses:format": (
                "The shape of the answer goes as text.format, beside the verbosity."
            ),
        },
    ),
    *kept(
        "agent-file.md §3.1",
        {
            "models:responses:choice": (
                "Which of OpenAI's two APIs a model is asked by: its name at openai, github-"
                "copilot, opencode-zen and in definitions; what the file says wins."
            ),
        },
    ),
    *kept(
        "agent-file.md §3.2.1",
        {
            "models:responses:reached": (
                "A Responses model is reached with its row's key, headers, version and settings."
            ),
        },
    ),
]
