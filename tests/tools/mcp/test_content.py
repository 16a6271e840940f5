"""What an MCP server sends, as models can take it. Source: runtime.md §5.1, §5.7, §8.5, §10.6."""

from __future__ import annotations

import base64

import mcp_types as types
import pytest

from docker_agent.messages import JSON, FilePart, ImagePart
from docker_agent.tools.mcp.content import (
    exposed_names,
    parameters_of,
    result_of,
    same_tools,
    spec_of,
)
from docker_agent.tools.mcp.limits import MAX_DESCRIPTION, MAX_MEDIA
from tests.requirements import requirement


def packed(size: int) -> str:
    """So many bytes as base64."""
    return base64.b64encode(b"x" * size).decode()


def image(size: int, mime: str = "image/png") -> types.ImageContent:
    """A picture of so many bytes."""
    return types.ImageContent(type="image", data=packed(size), mime_type=mime)


@requirement("mcp:result:parts")
def test_a_picture_too_large_to_show_is_told_with_what_to_do() -> None:
    """§5.7: at most 4.5 MB; the text says why it is not there, and the others stay."""
    result = result_of(types.CallToolResult(content=[image(MAX_MEDIA), image(MAX_MEDIA + 1)]))
    assert len(result.parts) == 1 and isinstance(result.parts[0], ImagePart)
    assert result.text == (
        "(image, image/png: left out, 4500001 bytes are too many; at most 4500000 can be shown "
        "and it cannot be scaled down here, so ask for a smaller one)"
    )


@requirement("mcp:result:parts")
@pytest.mark.parametrize(
    ("uri", "mime", "name"),
    [
        ("file:///a/report%20one.pdf", None, "report one.pdf"),
        ("file:///a/report%20one.pdf", "application/pdf; x=y", "report one.pdf"),
        ("note://", "Audio/X-WAV", "resource.wav"),
        ("note://x/plain", None, "plain.bin"),
    ],
)
def test_a_document_is_named_by_its_address(uri: str, mime: str | None, name: str) -> None:
    """§10.6: pdf and others; a blob that is a picture is one."""
    blob = types.BlobResourceContents(uri=uri, mime_type=mime, blob=packed(3))
    embedded = types.EmbeddedResource(type="resource", resource=blob)
    [part] = result_of(types.CallToolResult(content=[embedded])).parts
    assert isinstance(part, FilePart) and part.filename == name
    picture = types.BlobResourceContents(uri="a://host/x.png", blob=packed(3))
    embedded = types.EmbeddedResource(type="resource", resource=picture)
    [part] = result_of(types.CallToolResult(content=[embedded])).parts
    assert isinstance(part, ImagePart) and part.url.startswith("data:image/png;base64,")


@requirement("mcp:result:parts")
@pytest.mark.parametrize(
    ("content", "structured", "text"),
    [
        ([], None, "no output"),
        ([], {"a": "ä"}, '{"a": "ä"}'),
        ([], {}, "{}"),
        (["said"], {"a": 1}, "said"),
        (["one", "two"], None, "one\ntwo"),
    ],
)
def test_structure_alone_is_written_as_json(
    content: list[str], structured: JSON, text: str
) -> None:
    """§10.6: structured content only → JSON text; nothing → `no output`."""
    blocks: list[types.ContentBlock] = [
        types.TextContent(type="text", text=each) for each in content
    ]
    result = result_of(types.CallToolResult(content=blocks, structured_content=structured))
    assert (result.text, result.structured, result.is_error) == (text, structured, False)
    failed = result_of(types.CallToolResult(content=blocks, is_error=True))
    assert failed.is_error


@requirement("mcp:names")
def test_names_that_become_one_are_told_apart() -> None:
    """§5.1: every provider takes them, and each leads back to its own tool."""
    long = "x" * 70
    assert exposed_names("", ["a.b", "a/b", "a_b", ""]) == {
        "a_b": "a.b",
        "a_b_2": "a/b",
        "a_b_3": "a_b",
        "_": "",
    }
    found = exposed_names("far", [long, long + "y", long + "z"])
    assert [*found] == [
        ("far_" + long)[:64],
        ("far_" + long)[:62] + "_2",
        ("far_" + long)[:62] + "_3",
    ]
    assert [*found.values()] == [long, long + "y", long + "z"]


@requirement("mcp:names")
def test_a_tool_says_of_itself_what_rules_and_models_need() -> None:
    """§8.5: the top is an object with properties; a read-only tool destroys nothing."""
    assert parameters_of({"$schema": "x", "type": "string", "required": None}) == {
        "type": "object",
        "properties": {},
    }
    kept: dict[str, JSON] = {
        "type": "object",
        "properties": {"a": {}},
        "required": ["a"],
        "title": "T",
    }
    assert parameters_of(kept) == kept

    def tool(**hints: bool) -> types.Tool:
        annotations = types.ToolAnnotations.model_validate({"title": "Hint", **hints})
        words = "d" * (MAX_DESCRIPTION + 1)
        return types.Tool(name="t", description=words, input_schema={}, annotations=annotations)

    both = spec_of(tool(read_only_hint=True, destructive_hint=True), "p_t")
    assert (both.name, both.read_only, both.destructive, both.title) == ("p_t", True, False, "Hint")
    assert len(both.description) == MAX_DESCRIPTION and both.keeps_time
    wild = spec_of(tool(destructive_hint=True, open_world_hint=True), "t")
    assert (wild.read_only, wild.destructive, wild.open_world) == (False, True, True)
    bare = spec_of(types.Tool(name="t", title="Only", input_schema={}), "t")
    assert (bare.description, bare.title, bare.open_world) == ("Only", "Only", False)
    assert bare.tidy is not None and bare.tidy({"a": None, "b": 0}) == {"b": 0}
    assert same_tools([tool()], [tool()]) and not same_tools([tool()], [tool(), tool()])
