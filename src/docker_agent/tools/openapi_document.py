"""From an OpenAPI 3 document to operations a model can call. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal
from urllib.parse import urljoin, urlsplit

import msgspec

from docker_agent.config.compose import MarkedError
from docker_agent.config.tree import Raw
from docker_agent.config.yaml_text import read_yaml
from docker_agent.errors import ToolError
from docker_agent.messages import JSON, UNREADABLE
from docker_agent.tools.openapi_schema import body_properties, described, listed, resolved, table

MAX_NAME = 64
"""Characters of a tool's or argument's name that providers take."""

MAX_DESCRIPTION = 200
"""Characters of an operation's description where it has no summary (runtime.md §9.9)."""

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
"""All but `trace`, which would show a model the headers of the agent file."""
PLACEHOLDER = re.compile(r"\{([^{}/]+)\}")
"""A parameter in a path."""
_OWN_HEADERS = ("accept", "content-type", "authorization")
"""Header parameters that OpenAPI says to ignore."""

Place = Literal["path", "query", "header", "cookie", "body", "whole body"]


class Slot(msgspec.Struct, frozen=True):
    """Where an argument goes in a request, and by which name. `explode`: a list repeats the name;
    `deep`: an object becomes `name[key]`."""

    place: Place
    name: str
    explode: bool = True
    deep: bool = False


class Operation(msgspec.Struct, frozen=True):
    """One tool: `schema` of its arguments, and where each of them goes."""

    name: str
    method: str
    path: str
    description: str
    schema: Mapping[str, JSON]
    slots: Mapping[str, Slot]


class Document(msgspec.Struct, frozen=True):
    """What can be called, and the address that paths are added to."""

    base: str
    operations: tuple[Operation, ...]


def read_document(data: bytes, url: str) -> Document:
    """The operations of a document (JSON or YAML) that was found at `url`.

    Raises `ToolError` when it is no OpenAPI 3 document.
    """
    root = _parsed(data)
    version = str(root.get("openapi", ""))
    if not version.startswith("3."):
        found = "Swagger 2, not OpenAPI 3; convert it" if "swagger" in root else "no OpenAPI 3"
        raise ToolError(f"the document is {found}")
    taken: set[str] = set()
    operations: list[Operation] = []
    for path, item in table(root.get("paths")).items():
        shared = table(resolved(item, root))
        for method in _METHODS:
            if isinstance(shared.get(method), dict):
                found = _operation(root, path, method, shared)
                name = _unique(found.name, taken)
                operations.append(msgspec.structs.replace(found, name=name))
    return Document(_base(root, url), tuple(operations))


def tool_name(operation_id: str, method: str, path: str) -> str:
    """The name of an operation's tool. Source: runtime.md §9.9."""
    text = re.sub(r"[{}]", "", operation_id or f"{method}_{path}")
    return re.sub(r"_+", "_", re.sub(r"[^A-Za-z0-9_]", "_", text))[:MAX_NAME]


def _parsed(data: bytes) -> Mapping[str, JSON]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise ToolError("the document is no UTF-8 text") from exc
    found: JSON
    try:
        found = msgspec.json.decode(text)
    except UNREADABLE:
        try:
            node = read_yaml(text.replace("\r\n", "\n"))
        except MarkedError as exc:
            raise ToolError(f"the document is neither JSON nor YAML: {exc}") from exc
        found = Raw("", "", node).plain() if node else None
    return table(found)


def _base(root: Mapping[str, JSON], url: str) -> str:
    first = table(next(iter(listed(root.get("servers"))), None))
    variables = table(first.get("variables"))

    def value(match: re.Match[str]) -> str:
        return str(table(variables.get(match[1])).get("default", ""))

    server = PLACEHOLDER.sub(value, str(first.get("url") or ""))
    if not server:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc}"
    try:
        return urljoin(url, server).rstrip("/")
    except ValueError as exc:
        raise ToolError(f"the document names a server that is no address: {server}") from exc


def _operation(
    root: Mapping[str, JSON], path: str, method: str, shared: Mapping[str, JSON]
) -> Operation:
    own = table(shared[method])
    arguments = _Arguments(root)
    for parameter in _parameters(root, shared, own, path):
        arguments.add_parameter(parameter)
    arguments.add_body(table(resolved(own.get("requestBody"), root)))
    description = str(own.get("summary") or "") or str(own.get("description") or "")
    if not own.get("summary"):
        description = description[:MAX_DESCRIPTION]
    return Operation(
        tool_name(str(own.get("operationId") or ""), method, path) or method,
        method.upper(),
        path,
        description or f"{method.upper()} {path}",
        {
            "type": "object",
            "properties": arguments.properties,
            "required": arguments.required,
        },
        arguments.slots,
    )


def _parameters(
    root: Mapping[str, JSON], shared: Mapping[str, JSON], own: Mapping[str, JSON], path: str
) -> Iterator[Mapping[str, JSON]]:
    """The parameters of an operation: its own, those of its path that it does not replace, and
    those that the path shows but nobody declares."""
    found: dict[tuple[str, str], Mapping[str, JSON]] = {}
    for source in (shared, own):
        for entry in listed(source.get("parameters")):
            parameter = table(resolved(entry, root))
            name, place = str(parameter.get("name") or ""), str(parameter.get("in") or "")
            if name and not (place == "header" and name.lower() in _OWN_HEADERS):
                found[name, place] = parameter
    for name in PLACEHOLDER.findall(path):
        found.setdefault((name, "path"), {"name": name, "in": "path"})
    yield from found.values()


class _Arguments:
    """The arguments of one operation, as they are found."""

    def __init__(self, root: Mapping[str, JSON]) -> None:
        self._root = root
        self.properties: dict[str, JSON] = {}
        self.required: list[str] = []
        self.slots: dict[str, Slot] = {}

    def add_parameter(self, parameter: Mapping[str, JSON]) -> None:
        """Take in a parameter of path, query, header or cookie."""
        name, place = str(parameter["name"]), parameter.get("in")
        if place not in ("path", "query", "header", "cookie"):
            return
        schema = parameter.get("schema")
        for media in table(parameter.get("content")).values():
            schema = schema or table(media).get("schema")
        style = parameter.get("style")
        explode = parameter.get("explode", style in (None, "form") and place == "query")
        self._add(
            name if name not in self.slots else f"{place}_{name}",
            Slot(place, name, explode is True, style == "deepObject"),
            described(schema, self._root, str(parameter.get("description") or "")),
            required=place == "path" or parameter.get("required") is True,
        )

    def add_body(self, body: Mapping[str, JSON]) -> None:
        """Take in what JSON a request holds: the properties of an object, one level deep, or the
        whole."""
        for kind, media in table(body.get("content")).items():
            plain = kind.partition(";")[0].strip().lower()
            if plain == "application/json" or plain.endswith("+json"):
                schema = table(media).get("schema")
                break
        else:
            return
        properties, required = body_properties(schema, self._root)
        for name, each in properties.items():
            argument = described(each, self._root, "")
            self._add(f"body_{name}", Slot("body", name), argument, required=name in required)
        if not properties:
            whole = described(schema, self._root, str(body.get("description") or ""))
            self._add("body", Slot("whole body", ""), whole, required=body.get("required") is True)

    def _add(self, name: str, slot: Slot, schema: JSON, *, required: bool) -> None:
        taken = set(self.slots)
        name = _unique(re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:MAX_NAME], taken)
        self.slots[name] = slot
        self.properties[name] = schema
        if required:
            self.required.append(name)


def _unique(name: str, taken: set[str]) -> str:
    """`name`, or `name_2` and so on when it is taken; taken from now on."""
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name[: MAX_NAME - len(str(number)) - 1]}_{number}"
    taken.add(found)
    return found
