"""The python toolset: plain functions as tools, from a module or a file beside the agent file."""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import importlib.util
import inspect
import logging
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import msgspec

from docker_agent.config.marks import Count
from docker_agent.errors import ConfigError, ToolError
from docker_agent.messages import JSON, ToolList, ToolResult
from docker_agent.tools.port import READY, Around, CallContext, Scope, Status
from docker_agent.tools.python_function import Function, PythonTool
from docker_agent.tools.threads import Threads

log = logging.getLogger(__name__)

DEFAULT_SECONDS = 120
"""How long one call may take when the file does not say."""

MAX_THREADS = 32
"""Calls of sync functions of one toolset that run at once; more wait for their turn. One that hangs
counts for as long as it does."""


class PythonOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a `python` entry may say: `ref` is `package.module:object` or `./file.py:object`, the
    object a function or a list of them (left out: the module's public functions); `timeout` in
    seconds (0: 120)."""

    ref: str
    timeout: Count = DEFAULT_SECONDS


class PythonTools:
    """Functions as tools. Async ones run in the server's loop, sync ones in a thread; a sync
    function that takes too long is left behind, it cannot be stopped.

    Raises `ConfigError` for functions that cannot be tools.
    """

    scope: Scope = "team"
    status: Status = READY

    def __init__(
        self, functions: Iterable[Function], *, name: str = "python", timeout: float = 0
    ) -> None:
        self.name = name
        self._seconds = timeout or DEFAULT_SECONDS
        self._tools: dict[str, PythonTool] = {}
        for function in functions:
            tool = PythonTool(function)
            if tool.name in self._tools:
                raise ConfigError(f"two functions are called {tool.name}")
            self._tools[tool.name] = tool
        self._listing = ToolList([tool.spec for tool in self._tools.values()])
        self._threads = Threads(MAX_THREADS)

    async def tools(self, around: Around) -> ToolList:
        return self._listing

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        tool = self._tools[name]
        given = tool.arguments(arguments, context)
        timeout = asyncio.timeout(max(0.0, min(self._seconds, context.remaining())))
        try:
            async with timeout:
                return _answered(await self._called(tool.function, given))
        except ToolError:
            raise
        except TimeoutError as exc:
            if timeout.expired():
                raise ToolError(f"it took longer than {self._seconds:g} seconds") from exc
            raise ToolError(str(exc) or "it timed out") from exc
        except asyncio.CancelledError as exc:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise ToolError("it was cancelled from inside") from exc
        except (Exception, SystemExit) as exc:
            log.warning("run %s: %s() failed", context.run, name, exc_info=exc)
            raise ToolError(f"{type(exc).__name__}: {exc}") from exc

    async def _called(self, function: Function, given: dict[str, Any]) -> object:
        if not inspect.iscoroutinefunction(function):
            found = await self._threads.run(lambda: function(**given))
        else:
            found = function(**given)
        return await found if inspect.isawaitable(found) else found


def _answered(found: object) -> ToolResult:
    match found:
        case ToolResult():
            return found
        case None:
            return ToolResult("")
        case str():
            return ToolResult(found)
        case _:
            return ToolResult(msgspec.json.encode(found, enc_hook=str).decode())


def functions_of(ref: str, directory: Path | None) -> list[Function]:
    """The functions behind a reference; `directory` is where the agent file lies.

    Runs the module's own code. Raises `ConfigError` that says what is wrong with it.
    """
    place, _, name = ref.partition(":")
    module = _file_module(place, directory) if place.endswith(".py") else _module(place, directory)
    found: object = module
    for part in name.split(".") if name else ():
        try:
            found = getattr(found, part)
        except AttributeError as exc:
            raise ConfigError(f"{place} has no {name!r}") from exc
    functions = [*_functions_in(found)]
    if not functions:
        raise ConfigError(f"{ref!r} holds no functions; name one, a list of them, or a module")
    return functions


def _functions_in(found: object) -> Iterator[Function]:
    if isinstance(found, ModuleType):
        for key, each in vars(found).items():
            own = getattr(each, "__module__", None) == found.__name__
            if inspect.isfunction(each) and own and not key.startswith("_"):
                yield each
    elif isinstance(found, list | tuple | set | frozenset):
        for each in cast(Iterable[object], found):
            yield from _functions_in(each)
    elif callable(found) and not inspect.isclass(found):
        yield found


def _file_module(place: str, directory: Path | None) -> ModuleType:
    if directory is None:
        raise ConfigError("there is no folder beside which a file could lie; name a module")
    base = directory.resolve()
    path = (base / place).resolve()
    if not path.is_relative_to(base):
        raise ConfigError(f"{place!r} leads out of the agent file's folder")
    if not path.is_file():
        raise ConfigError(f"there is no file {path}")
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:12]
    name = f"docker_agent_tools_{digest}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path} cannot be read as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    _imported(place, base, lambda: spec.loader and spec.loader.exec_module(module))
    return module


def _module(place: str, directory: Path | None) -> ModuleType:
    if not all(part.isidentifier() for part in place.split(".")):
        raise ConfigError(
            f"{place!r} is no module; write package.module:object or ./file.py:object"
        )
    return cast(ModuleType, _imported(place, directory, lambda: importlib.import_module(place)))


def _imported(place: str, directory: Path | None, run: Any) -> object:  # noqa: ANN401 - a callable
    """What importing gives, with the agent file's folder as the last place to look."""
    here = str(directory) if directory is not None and str(directory) not in sys.path else ""
    if here:
        sys.path.append(here)
    try:
        return run()
    except (Exception, SystemExit) as exc:
        raise ConfigError(f"importing {place} failed: {type(exc).__name__}: {exc}") from exc
    finally:
        if here:
            sys.path.remove(here)
