"""The fifteen tools as a table: what each asks of a server, and what the server must be able to
do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import msgspec

from docker_agent.messages import JSON, Meaning, ToolSpec
from docker_agent.tools.arguments import Parameters
from docker_agent.tools.lsp import asking, changing
from docker_agent.tools.lsp.desk import Desk

Wanted = TypeVar("Wanted", bound=msgspec.Struct)


class Tool(msgspec.Struct, frozen=True):
    """One row: how a model sees the tool, the capability that the server needs (none: every server
    will do), and what it does. `run` raises `ToolError`."""

    spec: ToolSpec
    needs: str
    run: Callable[[Desk, Mapping[str, JSON]], Awaitable[str]]


def _tool(
    name: str,
    needs: str,
    work: Callable[[Desk, Wanted], Awaitable[str]],
    shape: type[Wanted],
    title: str,
    description: str,
    *,
    read_only: bool = True,
    meaning: Callable[[Mapping[str, JSON]], Meaning] | None = None,
) -> Tool:
    parameters = Parameters(shape)
    spec = ToolSpec(
        f"lsp_{name}",
        description,
        parameters.schema,
        read_only=read_only,
        title=title,
        category="lsp",
        takes_description=True,
        meaning=meaning,
        keeps_time=True,
        tidy=parameters.tidy,
    )
    return Tool(spec, needs, lambda desk, arguments: work(desk, parameters.read(arguments)))


def _applies(arguments: Mapping[str, JSON]) -> Meaning:
    """Listing actions reads; taking one changes what the server likes."""
    return Meaning("unknown" if arguments.get("apply") else "safe")


async def workspace(desk: Desk, wanted: asking.Nothing) -> str:
    """What serves these files, and what it can."""
    server = desk.session.server
    can = [tool.spec.name for tool in TOOLS if desk.session.offers(tool.needs)]
    return "\n".join(
        (
            f"Language server: {server.name or desk.label} {server.version or ''}".rstrip(),
            f"Workspace: {desk.root}",
            f"Files: {desk.types}",
            f"Tools: {', '.join(can)}",
        )
    )


TOOLS: tuple[Tool, ...] = (
    _tool(
        "workspace",
        "",
        workspace,
        asking.Nothing,
        "Language server",
        "Show which language server there is, for which files, and what it can do.",
    ),
    _tool(
        "hover",
        "hoverProvider",
        asking.hover,
        asking.At,
        "Look up symbol",
        "Show the type and the documentation of the symbol at a place in a file.",
    ),
    _tool(
        "definition",
        "definitionProvider",
        asking.definition,
        asking.At,
        "Find definition",
        "Find where the symbol at a place in a file is defined. "
        "Answers with lines `path:line:character: text`.",
    ),
    _tool(
        "references",
        "referencesProvider",
        asking.references,
        asking.References,
        "Find references",
        "Find all places in the workspace where the symbol at a place in a file is used.",
    ),
    _tool(
        "document_symbols",
        "documentSymbolProvider",
        asking.document_symbols,
        asking.InFile,
        "Outline",
        "List the classes, functions, variables and so on that a file defines, with their places.",
    ),
    _tool(
        "workspace_symbols",
        "workspaceSymbolProvider",
        asking.workspace_symbols,
        asking.Query,
        "Find symbols",
        "Find symbols by name in the whole workspace.",
    ),
    _tool(
        "diagnostics",
        "",
        asking.diagnostics,
        asking.InFile,
        "Find problems",
        "List the errors and warnings of a file. Use it after you have changed one.",
    ),
    _tool(
        "rename",
        "renameProvider",
        changing.rename,
        changing.Rename,
        "Rename symbol",
        "Rename the symbol at a place in a file, there and wherever it is used. Changes the files.",
        read_only=False,
    ),
    _tool(
        "code_actions",
        "codeActionProvider",
        changing.code_actions,
        changing.Actions,
        "Quick fixes",
        "List the fixes and refactorings that there are for some lines of a file; with `apply`, "
        "take one, which changes files.",
        read_only=False,
        meaning=_applies,
    ),
    _tool(
        "format",
        "documentFormattingProvider",
        changing.format_file,
        asking.InFile,
        "Format file",
        "Lay out a file as is usual in its language. Changes the file.",
        read_only=False,
    ),
    _tool(
        "call_hierarchy",
        "callHierarchyProvider",
        asking.call_hierarchy,
        asking.Calls,
        "Calls",
        "Find the callers of the function at a place in a file, or the functions that it calls.",
    ),
    _tool(
        "type_hierarchy",
        "typeHierarchyProvider",
        asking.type_hierarchy,
        asking.Types,
        "Types",
        "Find the supertypes or the subtypes of the type at a place in a file.",
    ),
    _tool(
        "implementations",
        "implementationProvider",
        asking.implementations,
        asking.At,
        "Find implementations",
        "Find what implements the interface or the method at a place in a file.",
    ),
    _tool(
        "signature_help",
        "signatureHelpProvider",
        asking.signature_help,
        asking.At,
        "Signature",
        "Show how the function is called whose arguments stand at a place in a file.",
    ),
    _tool(
        "inlay_hints",
        "inlayHintProvider",
        asking.inlay_hints,
        asking.Lines,
        "Inlay hints",
        "Show the types and parameter names that are not written in some lines of a file.",
    ),
)
BY_NAME = {tool.spec.name: tool for tool in TOOLS}
