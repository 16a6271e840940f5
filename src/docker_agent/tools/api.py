"""The api toolset: one HTTP endpoint as one tool."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from urllib.parse import quote

import msgspec

from docker_agent.config.expand import Lookup, expand_template
from docker_agent.config.marks import Count
from docker_agent.config.toolset import ApiTool
from docker_agent.messages import JSON, ToolList, ToolResult, ToolSpec
from docker_agent.tools.port import READY, Around, CallContext, Scope, Status
from docker_agent.tools.web import DEFAULT_TIMEOUT, Request, Web
from docker_agent.tools.web_answer import answered
from docker_agent.tools.web_arguments import (
    checked,
    in_path,
    query_pairs,
    query_string,
    tidied,
    with_query,
)
from docker_agent.tools.web_headers import Templates, asked_for, incoming_names, spelled

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_WITH_BODY = ("POST", "PUT", "PATCH")

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_EXPRESSION = re.compile(r"\$\{(.*?)\}", re.DOTALL)
_ENCODED = re.compile(r"encodeURIComponent\(\s*([A-Za-z_$][A-Za-z0-9_$]*)\s*\)")


class ApiOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an `api` entry of an agent file may say; `timeout` in seconds (0: 30)."""

    api_config: ApiTool
    timeout: Count = DEFAULT_TIMEOUT
    allow_private_ips: bool = False


class Endpoint:
    """The address of an API: a template over `env`, the incoming `headers` and the arguments.

    Whatever an argument or header holds stays one part of the address: it is percent-encoded, also
    where the file says so itself (`encodeURIComponent`).
    """

    def __init__(self, template: str, names: frozenset[str], env: Lookup) -> None:
        """`names` are the arguments that there may be."""
        template = spelled(template)
        self._template = _ENCODED.sub(
            lambda match: match[1] if match[1] in names else match[0], template
        )
        self._names = names
        self._env = env
        self.incoming = incoming_names([template])
        inside = " ".join(match[1] for match in _EXPRESSION.finditer(self._template))
        self.used = frozenset(
            name for name in names if re.search(rf"(?<![\w.$]){re.escape(name)}(?![\w$])", inside)
        )
        """The arguments that the template itself asks for."""

    def filled(self, arguments: Mapping[str, JSON], incoming: Mapping[str, str]) -> str:
        """The address for a call. Raises `ToolError` for an argument that leads elsewhere."""
        values: dict[str, JSON] = {
            name: in_path(name, arguments[name]) if name in arguments else None
            for name in self.used
        }

        def plain(match: re.Match[str]) -> str:
            name = match[1].strip()
            return values[name] or "" if name in values else match[0]

        text = _EXPRESSION.sub(plain, self._template)
        values["headers"] = {
            name: quote(value, safe="")
            for name, value in asked_for(self.incoming, incoming).items()
        }
        return expand_template(text, self._env, values)


class Api:
    """One tool over one endpoint. Arguments that the address does not use go into the body of
    POST, PUT and PATCH, as JSON, and into the query of GET and DELETE."""

    status: Status = READY

    def __init__(self, options: ApiOptions, web: Web, env: Lookup) -> None:
        """Raises `ConfigError` for a tool that cannot be called."""
        tool = options.api_config
        self._method = _method(tool)
        self._web = web
        self._timeout = options.timeout or DEFAULT_TIMEOUT
        self._headers = Templates(tool.headers, env)
        self._schema = _schema(tool)
        self._endpoint = Endpoint(tool.endpoint, frozenset(self._schema["properties"]), env)
        self.name = f"api {tool.name}"
        varies = self._headers.incoming or self._endpoint.incoming
        self.scope: Scope = "run" if varies else "team"
        spec = ToolSpec(
            tool.name,
            tool.instruction or f"{self._method} {tool.endpoint.partition('?')[0]}",
            self._schema,
            read_only=self._method == "GET",
            destructive=self._method == "DELETE",
            open_world=True,
            output_schema=tool.output_schema.plain() if tool.output_schema else None,
            category="api",
            tidy=partial(tidied, self._schema),
        )
        self._tools = ToolList([spec])

    async def tools(self, around: Around) -> ToolList:
        return self._tools

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        wanted = checked(self._schema, arguments)
        url = self._endpoint.filled(wanted, context.headers)
        rest = {name: value for name, value in wanted.items() if name not in self._endpoint.used}
        body: bytes | None = None
        plain = {"Accept": "application/json, text/*;q=0.9, */*;q=0.5"}
        if self._method not in _WITH_BODY:
            url = with_query(url, query_string(query_pairs(rest)))
        elif self._endpoint.used != self._schema["properties"].keys():
            body = msgspec.json.encode(rest)
            plain["Content-Type"] = "application/json"
        request = Request(
            url,
            self._method,
            headers=self._headers.expanded(context.headers),
            plain=plain,
            body=body,
            timeout=self._timeout,
        )
        return answered(await self._web.send(request))


def _method(tool: ApiTool) -> str:
    if not _NAME.fullmatch(tool.name):
        raise tool.error(f"{tool.name!r} is no tool name; use letters, digits, _ and -", "name")
    if not tool.endpoint:
        raise tool.error("the key 'endpoint' is missing")
    method = (tool.method or "GET").upper()
    if method not in METHODS:
        raise tool.error(f"{tool.method!r} is no method; use one of {', '.join(METHODS)}", "method")
    return method


def _schema(tool: ApiTool) -> Mapping[str, JSON]:
    """The arguments as a JSON Schema. Raises `ConfigError` for what is none."""
    for each in tool.args.children() if tool.args else ():
        if each.kind != "a mapping":
            raise each.error(f"is {each.kind}; the JSON Schema of an argument is expected")
    properties: dict[str, JSON] = tool.args.plain() if tool.args else {}
    unknown = [name for name in tool.required if name not in properties]
    if unknown:
        raise tool.error(f"{unknown[0]!r} is none of the arguments in 'args'", "required")
    return {"type": "object", "properties": properties, "required": list(tool.required)}
