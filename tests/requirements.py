"""Every promise with its source; `test_requirements.py` checks tests and rows both ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from tests.promises.a2a import A2A
from tests.promises.acceptance import ACCEPTANCE
from tests.promises.acting import ACTING
from tests.promises.agents import AGENTS
from tests.promises.bedrock import BEDROCK
from tests.promises.bench import BENCH
from tests.promises.catalog import CATALOG
from tests.promises.chat_replies import CHAT_REPLIES
from tests.promises.chat_requests import CHAT_REQUESTS
from tests.promises.chat_rules import CHAT_RULES
from tests.promises.chat_start import CHAT_START
from tests.promises.chatgpt import CHATGPT
from tests.promises.clients import CLIENTS
from tests.promises.design import DESIGN
from tests.promises.e2e import E2E
from tests.promises.file_errors import FILE_ERRORS
from tests.promises.file_forms import FILE_FORMS
from tests.promises.file_keys import FILE_KEYS
from tests.promises.forms import FORMS
from tests.promises.hooks import HOOKS
from tests.promises.keeping import KEEPING
from tests.promises.lasting import LASTING
from tests.promises.loading import LOADING
from tests.promises.local import LOCAL
from tests.promises.lsp import LSP
from tests.promises.mcp import MCP
from tests.promises.models_road import MODELS
from tests.promises.native import NATIVE
from tests.promises.promise import Promise
from tests.promises.providers import PROVIDERS
from tests.promises.rag import RAG
from tests.promises.refs import REFS
from tests.promises.runs import RUNS
from tests.promises.runtime import RUNTIME
from tests.promises.seed import SEED
from tests.promises.server import SERVER
from tests.promises.skills import SKILLS
from tests.promises.tools import TOOLS
from tests.promises.vertex import VERTEX
from tests.promises.websocket import WEBSOCKET

PROMISES: tuple[Promise, ...] = (
    *SEED,
    *CHAT_START,
    *CHAT_REQUESTS,
    *CATALOG,
    *CHAT_REPLIES,
    *CHAT_RULES,
    *FILE_FORMS,
    *FILE_KEYS,
    *FILE_ERRORS,
    *FORMS,
    *SKILLS,
    *RUNTIME,
    *RUNS,
    *LOADING,
    *REFS,
    *KEEPING,
    *MODELS,
    *TOOLS,
    *ACCEPTANCE,
    *RAG,
    *ACTING,
    *A2A,
    *LASTING,
    *AGENTS,
    *HOOKS,
    *NATIVE,
    *BEDROCK,
    *PROVIDERS,
    *VERTEX,
    *CHATGPT,
    *WEBSOCKET,
    *MCP,
    *LSP,
    *LOCAL,
    *DESIGN,
    *BENCH,
    *SERVER,
    *CLIENTS,
    *E2E,
)

Test = TypeVar("Test", bound=Callable[..., Any])


def requirement(*ids: str) -> Callable[[Test], Test]:
    """Marks a test as the proof of the promises `ids`."""

    def mark(test: Test) -> Test:
        known: tuple[str, ...] = getattr(test, "requirements", ())
        test.requirements = (*known, *ids)  # type: ignore[attr-defined]
        return test

    return mark
