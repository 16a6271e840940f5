"""What hooks are lent by rooms they do not know: a model's answer, a way to the web, the labels of
shell commands."""

from __future__ import annotations

from docker_agent.errors import ModelError, ToolError
from docker_agent.events import Delta
from docker_agent.hooks.builtins.http_post import Post
from docker_agent.hooks.model import AskModel
from docker_agent.hooks.port import HookFailed
from docker_agent.messages import Label, Message, SystemMessage, Usage, UserMessage
from docker_agent.models.port import Ask, Model
from docker_agent.tools.shell_classes import find
from docker_agent.tools.web import Request, Web

MAX_ANSWER = 64 * 1024
"""Bytes read of what a webhook answers."""


def asking(model: Model) -> AskModel:
    """Ask a model one question."""

    async def ask(instructions: str, prompt: str) -> tuple[str, Usage]:
        told: tuple[Message, ...] = (SystemMessage(instructions),) if instructions else ()
        try:
            reply = await model.reply(Ask((*told, UserMessage(prompt))), _unheard)
        except ModelError as exc:
            raise HookFailed(f"got no answer: {exc}") from exc
        return reply.message.text, reply.usage

    return ask


async def _unheard(deltas: tuple[Delta, ...]) -> None:
    """Nobody listens."""


def posting(web: Web) -> Post:
    """Send JSON to an address."""

    async def post(url: str, body: bytes) -> int:
        kind = {"content-type": "application/json"}
        request = Request(url, "POST", plain=kind, body=body, limit=MAX_ANSWER)
        try:
            return (await web.send(request)).status
        except ToolError as exc:
            raise HookFailed(f"could not send: {exc}") from exc

    return post


async def no_web(url: str, body: bytes) -> int:
    """For agents whose hooks send nothing."""
    raise HookFailed("has no way to the web")


def classified(command: str) -> tuple[Label, str, str]:
    """The label of a shell command, the shape that gave it away, and its severity."""
    found = find(command)
    return found.label, found.shape, found.severity
