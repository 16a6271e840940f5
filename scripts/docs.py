"""Writes the generated parts of docs/reference from the code; `--check` only names stale files."""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from docker_agent.cli.main import root
from docker_agent.cli.serve_chat import chat
from docker_agent.config.meanings import MEANINGS
from docker_agent.config.schema import agent_file_schema
from docker_agent.config.toolset_rules import KEYS, NAMED_TYPES
from docker_agent.config.tree import NOWHERE
from docker_agent.env.chain import Values
from docker_agent.errors import ConfigError, Kind, ToolError
from docker_agent.hooks.events import EVENTS
from docker_agent.hooks.table import BUILTINS
from docker_agent.messages import ToolSpec
from docker_agent.server.errors import ROWS
from docker_agent.server.openapi import document
from docker_agent.server.routes.metrics import ROWS as METRICS
from docker_agent.tools import table as tools
from docker_agent.tools.lsp.tools import TOOLS as LSP_TOOLS
from docker_agent.tools.port import Around, Draft

sys.path.insert(0, str(Path(__file__).parent.parent))
from scripts.provider_docs import auto_rows, provider_rows, works_rows

EXAMPLES = Path(__file__).parent.parent / "examples"
_EXAMPLES_HEAD = """\
# Examples

Whole agent files, one feature each. Look at one with `docker-agent check examples/hello.yaml`, talk
to it with `docker-agent chat examples/hello.yaml`. Most take the address and the name of a model
from the environment, so that any server which speaks OpenAI's API will do:

```text
export MODEL_URL=http://localhost:11434/v1 MODEL_NAME=llama3.2 SECOND_NAME=llama3.2:1b
docker-agent chat examples/think.yaml
```

"""
REFERENCE = Path(__file__).parent.parent / "docs" / "reference"
_BLOCK = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

WHEN: dict[Kind, str] = {
    "invalid_request": "the body is no chat request; `param` names the place",
    "unsupported_content_type": "the model cannot take a part of a message",
    "context_length_exceeded": "the conversation is too long for the model",
    "invalid_api_key": "no key, or a wrong one",
    "forbidden_host": "without a key: a `Host` this server does not answer to",
    "forbidden_origin": "without a key: a web page of another site",
    "hook_blocked": "a hook of the agent said no",
    "not_found": "there is nothing at this path",
    "model_not_found": "no agent has this name",
    "method_not_allowed": "another method is needed; `Allow` names it",
    "conversation_busy": "another request holds this conversation",
    "turn_expired": "the paused turn these tool results belong to is gone",
    "request_timeout": "the head or the body of the request took too long to arrive",
    "headers_too_large": "the head of the request is too long",
    "request_too_large": "the body is larger than `--max-request-size`",
    "unsupported_encoding": "the body is compressed in a way nobody here knows",
    "too_many_requests": "too many runs at once, or too many requests of one caller",
    "model_rate_limited": "the model's provider asks to wait",
    "loop_detected": "the model made the same tool calls again and again",
    "internal_error": "a fault of this program; its log knows more",
    "model_error": "the model or its provider failed",
    "draining": "the server is stopping",
    "not_ready": "`/ready`: a toolset starts, or has failed",
    "store_unavailable": "the store of conversations does not answer",
    "timeout": "the request took longer than `--request-timeout`",
}


def table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines
    )


def flags() -> str:
    """The flags of `serve chat`."""

    def rows() -> Iterator[Sequence[str]]:
        for option in chat.params:
            if isinstance(option, click.Option):
                value = "" if option.is_flag else f" {option.metavar or _type(option.type)}"
                yield f"`{', '.join(option.opts)}{value}`", _default(option), option.help or ""

    return table(("flag", "default", "what it does"), rows())


def _type(kind: click.ParamType[Any]) -> str:
    match kind:
        case click.Choice():
            return "|".join(str(choice) for choice in kind.choices)
        case click.Path():
            return "DIR" if not kind.file_okay else "FILE"
        case _:
            return {"duration": "DURATION"}.get(kind.name, "N")


def _default(option: click.Option) -> str:
    if isinstance(option.show_default, str):
        return f"`{option.show_default}`"
    return f"`{option.default}`" if option.show_default else ""


def commands() -> str:
    """All commands."""

    def rows(group: click.Group, words: str) -> Iterator[Sequence[str]]:
        for name, command in group.commands.items():
            if isinstance(command, click.Group):
                yield from rows(command, f"{words} {name}")
            else:
                arguments = [
                    param.make_metavar(click.Context(command))
                    for param in command.params
                    if isinstance(param, click.Argument)
                ]
                line = " ".join([words, name, *arguments])
                yield f"`{line}`", (command.help or "").partition("\n")[0]

    return table(("command", "what it does"), rows(root, "docker-agent"))


def endpoints() -> str:
    """The endpoints, from the OpenAPI document."""
    paths = msgspec.json.decode(document())["paths"]

    def rows() -> Iterator[Sequence[str]]:
        for path, methods in paths.items():
            for method, operation in methods.items():
                key = "if one is set" if "security" in operation else "no"
                yield f"`{method.upper()} {path}`", key, operation["summary"]

    return table(("endpoint", "key", "what it does"), rows())


def errors() -> str:
    """The table of errors."""

    def rows() -> Iterator[Sequence[str]]:
        for kind, row in ROWS.items():
            code = f"`{row.code}`" if row.code else "a field's code"
            yield str(row.status), f"`{row.type}`", code, WHEN[kind]

    return table(("status", "type", "code", "when"), rows())


def works() -> str:
    """What each protocol carries."""
    head = ("protocol", "reasoning", "pictures", "documents", "spoken input", "JSON of a shape")
    return table(head, works_rows())


def providers() -> str:
    """All providers."""
    head = ("provider", "protocol", "address", "variables", "", "run for real")
    return table(head, provider_rows())


def auto() -> str:
    """What `auto` looks for."""
    return table(("provider", "any of", "model"), auto_rows())


def toolsets() -> str:
    """The toolsets with their tools."""
    return "\n".join(_toolset(name, asyncio.run(_specs(name))) for name in tools.TOOLSETS)


def _toolset(name: str, specs: Sequence[ToolSpec]) -> str:
    if not specs:
        return f"### `{name}`\n\nIts tools are those that the agent file names.\n"
    rows = (
        (f"`{spec.name}`", "reads" if spec.read_only else "writes", _sentence(spec.description))
        for spec in specs
    )
    return f"### `{name}`\n\n" + table(("tool", "", "what it does"), rows)


async def _specs(name: str) -> Sequence[ToolSpec]:
    """The tools it has by itself; none when they come from the agent file."""
    if name == "lsp":
        return [tool.spec for tool in LSP_TOOLS]
    with tempfile.TemporaryDirectory() as data:
        opening = tools.Opening(Path.cwd(), Values({}), data_dir=Path(data))
        try:
            async with tools.TOOLSETS[name](NOWHERE, opening) as toolset:
                return (await toolset.tools(Around("root", "", None, {}, Draft()))).specs
        except (ConfigError, ToolError):
            return ()


def _sentence(text: str) -> str:
    return " ".join(text.split()).partition(". ")[0].rstrip(".") + "."


def hooks() -> str:
    """The builtin hooks, and when each runs."""
    rows = (
        (f"`{name}`", ", ".join(f"`{event}`" for event in row.events) or "any", row.does)
        for name, row in BUILTINS.items()
    )
    return table(("hook", "runs at", "what it does"), rows)


def events() -> str:
    """The events, when each comes, and what hooks can do there."""
    rows = ((f"`{name}`", row.when, row.can) for name, row in EVENTS.items())
    return table(("event", "when", "what hooks can do"), rows)


def metrics() -> str:
    """The metrics of /metrics."""
    rows = ((f"`{row.name}`", row.kind, ", ".join(row.labels), row.text) for row in METRICS)
    return table(("metric", "kind", "labels", "what it counts"), rows)


def toolset_keys() -> str:
    """The keys of toolsets, and which toolsets have each."""

    def rows() -> Iterator[Sequence[str]]:
        for key, told in MEANINGS["Toolset"].items():
            kinds = KEYS[key].types if key in KEYS else NAMED_TYPES if key == "name" else ()
            yield f"`{key}`", ", ".join(f"`{kind}`" for kind in sorted(kinds)) or "all", told

    return table(("key", "of", "what it says"), rows())


def keys(shape: str) -> str:
    """The keys of one part of an agent file."""
    rows = ((f"`{key}`", told) for key, told in MEANINGS[shape].items())
    return table(("key", "what it says"), rows)


BLOCKS = {
    "keys-file": lambda: keys("AgentFile"),
    "keys-agent": lambda: keys("Agent"),
    "keys-model": lambda: keys("Model"),
    "keys-provider": lambda: keys("Provider"),
    "keys-toolset": toolset_keys,
    "flags": flags,
    "commands": commands,
    "endpoints": endpoints,
    "errors": errors,
    "providers": providers,
    "works": works,
    "auto": auto,
    "toolsets": toolsets,
    "hooks": hooks,
    "metrics": metrics,
    "events": events,
}


def examples() -> str:
    """The page of examples: what each shows, in the words of its first lines."""

    def rows() -> Iterator[Sequence[str]]:
        for form in ("yaml", "hcl", "json", "py"):
            for path in sorted(EXAMPLES.glob(f"*.{form}")):
                yield f"[{path.name}]({path.name})", _first_words(path)

    return _EXAMPLES_HEAD + table(("file", "what it shows"), rows())


def _first_words(path: Path) -> str:
    """The comment at the top of a file, up to the command that serves it."""
    text = path.read_text()
    if path.suffix == ".json":
        return str(msgspec.json.decode(text)["metadata"]["description"])
    if path.suffix == ".py":
        found = re.search(r'"""(.*?)(?:\n\n|""")', text, re.DOTALL)
        return " ".join(found[1].split()) if found else ""
    words: list[str] = []
    for line in text.splitlines():
        if not line.startswith("# ") or line.startswith("#  "):
            break
        words.append(line.removeprefix("# "))
    return " ".join(words)


def main(arguments: Sequence[str]) -> int:
    """Write what is stale, or with `--check` return 1 when something is."""
    stale: list[Path] = []
    for path in sorted(REFERENCE.glob("*.md")):
        old = path.read_text()
        new = _BLOCK.sub(lambda found: f"{found[1]}{BLOCKS[found[2]]()}{found[3]}", old)
        if new != old:
            stale.append(path)
            if "--check" not in arguments:
                path.write_text(new)
    schema = REFERENCE / "agent-file.schema.json"
    text = msgspec.json.format(msgspec.json.encode(agent_file_schema()), indent=1).decode() + "\n"
    if not schema.exists() or schema.read_text() != text:
        stale.append(schema)
        if "--check" not in arguments:
            schema.write_text(text)
    page = EXAMPLES / "README.md"
    if not page.exists() or page.read_text() != examples():
        stale.append(page)
        if "--check" not in arguments:
            page.write_text(examples())
    for path in stale:
        sys.stdout.write(f"{path.relative_to(REFERENCE.parent.parent)}\n")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
