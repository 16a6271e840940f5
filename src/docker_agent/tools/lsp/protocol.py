"""What language servers say, as far as it is read here. What they add beside is passed over.

Source: the Language Server Protocol, version 3.17.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from docker_agent.messages import JSON


class Position(msgspec.Struct, frozen=True):
    """A place between two characters: line and units of the line, both from 0."""

    line: int
    character: int


class Range(msgspec.Struct, frozen=True):
    """From a place to another, which is not in it."""

    start: Position
    end: Position


class Spot(msgspec.Struct, frozen=True, rename="camel"):
    """A `Location`, or a `LocationLink`."""

    uri: str = ""
    range: Range | None = None
    target_uri: str = ""
    target_selection_range: Range | None = None


Spots = Spot | tuple[Spot, ...] | None


class Marked(msgspec.Struct, frozen=True):
    """Text in a language, or of a kind."""

    value: str
    language: str = ""


Words = str | Marked


class Hover(msgspec.Struct, frozen=True):
    """What is known of a symbol."""

    contents: Words | tuple[Words, ...]


class Symbol(msgspec.Struct, frozen=True, rename="camel"):
    """A `DocumentSymbol`, or a `SymbolInformation` of a document or the workspace."""

    name: str
    kind: int = 0
    detail: str | None = None
    selection_range: Range | None = None
    children: tuple[Symbol, ...] | None = None
    location: Spot | None = None
    container_name: str | None = None


class Problem(msgspec.Struct, frozen=True):
    """A `Diagnostic`."""

    range: Range
    message: Words
    severity: int | None = None
    code: int | str | None = None
    source: str | None = None


class Published(msgspec.Struct, frozen=True):
    """The problems of a file, sent by the server itself. They are kept as they came, to be sent
    back."""

    uri: str
    diagnostics: tuple[JSON, ...] = ()
    version: int | None = None


class Report(msgspec.Struct, frozen=True):
    """The problems of a file, asked for."""

    kind: str = "full"
    items: tuple[JSON, ...] = ()


class TextEdit(msgspec.Struct, frozen=True, rename="camel"):
    """A piece of a file, replaced."""

    range: Range
    new_text: str


class Named(msgspec.Struct, frozen=True):
    """A document."""

    uri: str = ""


class Change(msgspec.Struct, frozen=True, rename="camel"):
    """Edits of one document; with a `kind` what happens to a whole file."""

    kind: str = ""
    text_document: Named = Named()
    edits: tuple[TextEdit, ...] = ()


class WorkspaceEdit(msgspec.Struct, frozen=True, rename="camel"):
    """Edits of several documents."""

    changes: Mapping[str, tuple[TextEdit, ...]] | None = None
    document_changes: tuple[Change, ...] | None = None


class Applied(msgspec.Struct, frozen=True):
    """What a server asks to have changed."""

    edit: WorkspaceEdit


class Command(msgspec.Struct, frozen=True):
    """What a server can be told to do."""

    command: str
    arguments: tuple[JSON, ...] | None = None


class Disabled(msgspec.Struct, frozen=True):
    """Why an action cannot be taken."""

    reason: str = ""


class Action(msgspec.Struct, frozen=True):
    """A `CodeAction`, or a `Command` with a title."""

    title: str
    kind: str | None = None
    edit: WorkspaceEdit | None = None
    command: Command | str | None = None
    arguments: tuple[JSON, ...] | None = None
    disabled: Disabled | None = None

    @property
    def order(self) -> Command | None:
        """The command that goes with it."""
        if isinstance(self.command, str):
            return Command(self.command, self.arguments)
        return self.command


class Item(msgspec.Struct, frozen=True, rename="camel"):
    """One of a hierarchy of calls or types."""

    name: str
    uri: str
    selection_range: Range
    kind: int = 0
    detail: str | None = None


class Link(msgspec.Struct, frozen=True, rename="camel"):
    """A call from or to another item, and where it is made."""

    to: Item | None = None
    origin: Item | None = msgspec.field(default=None, name="from")
    from_ranges: tuple[Range, ...] = ()


class Parameter(msgspec.Struct, frozen=True):
    """One parameter: its text, or where in the signature that stands."""

    label: str | tuple[int, int]
    documentation: Words | None = None


class Signature(msgspec.Struct, frozen=True, rename="camel"):
    """One way to call."""

    label: str
    documentation: Words | None = None
    parameters: tuple[Parameter, ...] | None = None
    active_parameter: int | None = None


class Signatures(msgspec.Struct, frozen=True, rename="camel"):
    """The ways to call, and where in them one is."""

    signatures: tuple[Signature, ...] = ()
    active_signature: int | None = None
    active_parameter: int | None = None


class Piece(msgspec.Struct, frozen=True):
    """A part of a hint's text."""

    value: str


class Hint(msgspec.Struct, frozen=True):
    """What an editor would show inside a line."""

    position: Position
    label: str | tuple[Piece, ...]


class Server(msgspec.Struct, frozen=True):
    """Who a server says it is."""

    name: str = ""
    version: str | None = None


class Hello(msgspec.Struct, frozen=True, rename="camel"):
    """What a server says of itself at the start."""

    capabilities: Mapping[str, JSON] = {}
    server_info: Server | None = None


class Saving(msgspec.Struct, frozen=True, rename="camel"):
    """How a server wants to be told of a document that was saved."""

    include_text: bool = False


class Sync(msgspec.Struct, frozen=True):
    """How a server wants to be told of documents; `change` 0: of no change."""

    change: int | None = None
    save: bool | Saving | None = None


SYMBOL_KINDS = (
    *("symbol", "file", "module", "namespace", "package", "class", "method", "property", "field"),
    *("constructor", "enum", "interface", "function", "variable", "constant", "string", "number"),
    *("boolean", "array", "object", "key", "null", "enum member", "struct", "event", "operator"),
    "type parameter",
)
"""Words for the numbers of kinds; 0 stands for what has none."""

SEVERITIES = ("problem", "error", "warning", "information", "hint")


def kind_word(kind: int) -> str:
    """A kind of symbol in a word."""
    return SYMBOL_KINDS[kind] if 0 <= kind < len(SYMBOL_KINDS) else SYMBOL_KINDS[0]


def words(said: Words | tuple[Words, ...] | None) -> str:
    """Text that may be marked, as Markdown."""
    match said:
        case None:
            return ""
        case str():
            return said.strip()
        case Marked(value=value, language=language):
            return f"```{language}\n{value.strip()}\n```" if language else value.strip()
        case _:
            return "\n\n".join(text for each in said if (text := words(each)))
