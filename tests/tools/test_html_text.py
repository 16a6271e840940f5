"""From the bytes of a page to text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_agent.tools.html_text import converted, decoded, is_binary, is_html, stripped
from tests.requirements import requirement

PAGE = """<!doctype html><html><head><title>Title</title><style>p {}</style></head><body>
<nav><a href="/menu">Menu</a></nav><h1>Hello <b>you</b></h1><p>Fish &amp; chips<br>daily</p>
<ul><li>one<ul><li>inner</li></ul></li><li>two</li></ul>
<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>
<pre><code class="language-py">x = 1
  y</code></pre><form><p>in a form</p></form><script>alert(1)</script>
<a href="next.html?x=1">next</a><img alt="a cat" src="data:image/png;base64,AAAA"></body></html>"""


@requirement("fetch:html:markdown")
def test_a_page_becomes_markdown() -> None:
    """runtime.md §9.7, body."""
    text = converted(PAGE, "markdown", "http://site.test/dir/page")
    for part in (
        "[Menu](http://site.test/menu)",
        "# Hello **you**",
        "Fish & chips",
        "- one",
        "inner",
        "| a | b |",
        "| 1 | 2 |",
        "```py\nx = 1\n  y\n```",
        "in a form",
        "[next](http://site.test/dir/next.html?x=1)",
        "a cat",
    ):
        assert part in text
    assert "alert" not in text and "p {}" not in text and "base64" not in text


@requirement("fetch:html:text")
def test_a_page_becomes_plain_text() -> None:
    """runtime.md §9.7, body: no tags, no marks."""
    text = converted(PAGE, "text", "http://site.test/")
    for part in ("Hello you", "Fish & chips", "one", "inner", "in a form", "next", "x = 1\n  y"):
        assert part in text
    for mark in ("<", "**", "](", "alert", "p {}"):
        assert mark not in text


@requirement("fetch:html:hostile")
@pytest.mark.parametrize("format", ["text", "markdown"])
@pytest.mark.parametrize(
    "page",
    ["<div>" * 100_000, "<b>" * 50_000, "<table><tr><td>" * 20_000, "<ul><li>" * 30_000],
)
def test_a_page_that_is_too_deep_still_gives_its_words(page: str, format: str) -> None:
    """runtime.md §9.7: no page breaks the tool."""
    assert format in ("text", "markdown")
    text = converted(f"{page}found &amp; shown", format, "http://site.test/")
    assert "found & shown" in text and "<" not in text


@requirement("fetch:html:hostile")
@given(st.text(alphabet="<>/!-&;=\"' abscriptyle\n", max_size=300))
def test_any_text_can_be_converted(page: str) -> None:
    """runtime.md §9.7: no page breaks the tool."""
    converted(page, "markdown", "http://site.test/")
    stripped(page)


@requirement("fetch:html:hostile")
def test_stripping_leaves_scripts_out() -> None:
    """runtime.md §9.7: text, not code."""
    page = "a<p>b<script>c<d>e</script>f</p><STYLE>g</STYLE>h &lt; i"
    assert stripped(page).split("\n") == ["a", "b", "f", "h < i"]


CHARSETS = [
    ("ü".encode(), "text/html; charset=utf-8", "ü"),
    ("ü".encode(), "text/html", "ü"),
    ("ü€".encode("cp1252"), "text/html; charset=ISO-8859-1", "ü€"),
    ("ü".encode("latin-1"), 'text/html; Charset="latin1"', "ü"),
    (b'<meta charset="windows-1251">' + "да".encode("cp1251"), "text/html", "да"),
    (b"<meta content='text/html; charset=euc-jp'>" + "日本".encode("euc-jp"), "", "日本"),
    ('<?xml encoding="shift_jis"?>日本'.encode("shift_jis"), "application/xml", "日本"),
    ("\ufeffü".encode(), "text/html; charset=latin1", "ü"),
    ("\ufeffü".encode("utf-16-le"), "text/plain", "ü"),
    ("\ufeffü".encode("utf-16-be"), "text/plain", "ü"),
    ("ü".encode("utf-16-le"), "text/plain; charset=utf-16le", "ü"),
    (b"<meta charset=utf-16>" + "ü".encode(), "text/html", "ü"),
    # Wrong, unknown or dangerous: what can be read is read.
    ("ü".encode("latin-1"), "text/html; charset=utf-8", "\ufffd"),
    ("ü".encode(), "text/html; charset=klingon", "ü"),
    (b"\\x41", "text/plain; charset=unicode_escape", "\\x41"),
    (b"QUJD", "text/plain; charset=base64", "QUJD"),
    (b"uryyb", "text/plain; charset=rot13", "uryyb"),
    (b"", "text/plain; charset=", ""),
]


@requirement("fetch:html:charset")
@pytest.mark.parametrize(("body", "type", "expected"), CHARSETS)
def test_the_character_set_is_found(body: bytes, type: str, expected: str) -> None:
    """WHATWG Encoding: byte order mark, header, the page's own word, UTF-8."""
    assert decoded(body, type).endswith(expected)
    assert "\ufeff" not in decoded(body, type)


@requirement("fetch:html:charset")
@given(st.binary(max_size=300), st.text(max_size=40))
def test_any_bytes_can_be_decoded(body: bytes, type: str) -> None:
    """runtime.md §9.7: no page breaks the tool."""
    decoded(body, type)
    decoded(body, f"text/html; charset={type}")


@requirement("fetch:html:types")
@pytest.mark.parametrize(
    ("body", "type", "html", "binary"),
    [
        (b"x", "text/html", True, False),
        (b"x", "Application/XHTML+XML; charset=utf-8", True, False),
        (b" <!DOCTYPE html><p>", "", True, False),
        (b"<html lang=en>", "", True, False),
        (b"<htmlx>", "", False, False),
        (b"<html>", "text/plain", False, False),
        (b"{}", "application/json", False, False),
        (b"<svg/>", "image/svg+xml", False, False),
        (b"\x89PNG", "image/png", False, True),
        (b"%PDF-1.7", "application/pdf", False, True),
        (b"a\0b", "", False, True),
        (b"a\0b\0", "text/plain; charset=utf-16le", False, False),
        ("\ufeffab".encode("utf-16-le"), "text/plain", False, False),
    ],
)
def test_what_a_body_is(body: bytes, type: str, html: bool, binary: bool) -> None:
    """runtime.md §9.7: HTML is converted; the rest is shown where it is text."""
    assert is_binary(body, type) is binary
    assert is_html(body.decode("latin-1"), type) is html
