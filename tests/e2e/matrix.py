"""The clients, what each cannot do by itself, and how often each tries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.e2e.places import E2E_HOME, node_driver, python_driver

MODELS = "models"
WHOLE = "JSON"
STREAM = "stream"
USAGE = "usage"
TOOLS = "tools"
TOOLS_STREAM = "tools, streamed"
SCHEMA = "schema"
CONVERSATION = "conversation"
REFUSED = "refused"
BROKEN = "cut stream"
RETRIED = "retries"
ACTED = "no retry"
EMBEDDED = "embedded"
CASES = (
    MODELS,
    WHOLE,
    STREAM,
    USAGE,
    TOOLS,
    TOOLS_STREAM,
    SCHEMA,
    CONVERSATION,
    REFUSED,
    BROKEN,
    RETRIED,
    ACTED,
    EMBEDDED,
)
"""The columns of the table, in order."""


@dataclass(frozen=True, slots=True)
class Client:
    """One client. `tries` is how often it asks a server that keeps failing, None: for minutes;
    `cannot` names the cases that its own limits rule out, with the reason."""

    name: str
    environment: str
    driver: str
    arguments: tuple[str, ...] = ()
    tries: int | None = 3
    cannot: Mapping[str, str] = field(default_factory=dict[str, str])
    plain: bool = True
    """It returns the answer's text and nothing around it."""
    counts_streams: bool = True
    """It takes a stream's usage from the server; otherwise it has a tokenizer guess."""
    statuses: bool = True
    """Its errors tell the HTTP status."""

    @property
    def installed(self) -> bool:
        """Whether `scripts/e2e.sh` could make its environment."""
        return (E2E_HOME / self.environment / ".installed").exists()

    @property
    def command(self) -> tuple[str, ...]:
        """What starts its driver."""
        if self.environment == "node":
            return node_driver(self.driver, *self.arguments)
        return python_driver(self.environment, self.driver)


_NO_LIST = "has no call that lists models"
_BLIND = "takes no note of x-should-retry: it looks at the status alone"

CLIENTS = (
    Client("openai (Python)", "openai", "openai_python.py"),
    Client("openai (Node)", "node", "openai_node.mjs"),
    Client("langchain-openai", "langchain", "langchain_python.py", cannot={MODELS: _NO_LIST}),
    Client(
        "@langchain/openai",
        "node",
        "langchain_node.mjs",
        cannot={MODELS: _NO_LIST, ACTED: _BLIND},
    ),
    Client(
        "ai + openai-compatible",
        "node",
        "ai_sdk.mjs",
        ("openai-compatible",),
        cannot={MODELS: _NO_LIST, ACTED: _BLIND},
    ),
    Client(
        "ai + openai",
        "node",
        "ai_sdk.mjs",
        ("openai",),
        cannot={MODELS: _NO_LIST, ACTED: _BLIND},
    ),
    Client("litellm", "litellm", "litellm_python.py"),
    Client("pydantic-ai", "pydantic-ai", "pydantic_ai_python.py", cannot={MODELS: _NO_LIST}),
    Client("openai-agents", "openai-agents", "agents_python.py", cannot={MODELS: _NO_LIST}),
    Client("llm", "llm", "llm_command.py", statuses=False, cannot={MODELS: _NO_LIST}),
    Client(
        "aider",
        "aider",
        "aider_command.py",
        tries=None,
        plain=False,
        counts_streams=False,
        statuses=False,
        cannot={
            MODELS: _NO_LIST,
            TOOLS: "has no tools of its own",
            TOOLS_STREAM: "has no tools of its own",
            SCHEMA: "asks for no schema",
            CONVERSATION: "sets no headers",
            BROKEN: "asks again and again for a minute before it says so",
            ACTED: _BLIND,
        },
    ),
    Client(
        "curl",
        "openai",
        "curl_command.py",
        tries=1,
        statuses=False,
        cannot={
            TOOLS: "is no agent",
            TOOLS_STREAM: "is no agent",
            SCHEMA: "reads no schemas",
            BROKEN: "shows the error event and ends well",
        },
    ),
)
