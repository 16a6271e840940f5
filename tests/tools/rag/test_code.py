"""Code cut at its functions: by a syntax tree where there is one, else as text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_agent.tools.filesystem.work import Stop
from docker_agent.tools.rag import code
from docker_agent.tools.rag.chunks import Cut
from docker_agent.tools.rag.code import GRAMMARS, MAX_CODE, Part, parts
from docker_agent.tools.rag.gentle import Gentle
from docker_agent.tools.rag.lent import Lent
from tests.requirements import requirement
from tests.tools.rag.shelf import asked, put, shelf, source
from tests.tools.rag.test_judging import Teller, described
from tests.tools.rag.test_meaning import Maker

PYTHON = '''\
import os

# about f
# and more
@cache
def f(x):
    return x

# a note by itself

class Boiler(Thing):
    """Heats."""

    # about on
    def on(self):
        return 1

    async def off(self):
        return {"größe": 2}
'''


def cut(name: str, text: str, size: int = 4_000, *, aware: bool = True) -> list[Part]:
    """The pieces of a file."""
    return list(parts(name, text, Cut(size, 0, code_aware=aware), Gentle(Stop())))


@requirement("rag:code")
def test_functions_stay_whole_with_their_comments() -> None:
    """runtime.md §14.2: functions with their comments."""
    function = "# about f\n# and more\n@cache\ndef f(x):\n    return x"
    found = [part.content for part in cut("a.py", PYTHON)]
    assert found[:3] == ["import os", function, "# a note by itself"]
    assert found[3].startswith("class Boiler(Thing):") and found[3].endswith('"größe": 2}')
    small = cut("a.py", PYTHON, 60)
    assert [part.content for part in small if part.context == "class Boiler(Thing):"] == [
        'class Boiler(Thing):\n    """Heats."""',
        "    # about on\n    def on(self):\n        return 1",
        '    async def off(self):\n        return {"größe": 2}',
    ]
    assert function in [part.content for part in small]


OTHERS = {
    "a.go": ("package x", "// F adds.\nfunc F() int {\n\treturn 1\n}", "type T struct { a int }"),
    "a.js": ("/** Adds. */\nexport function f() { return 1 }", "class A { m() {} }"),
    "a.ts": ("// Adds.\nfunction f(a: number) { return a }", "export interface I { a: string }"),
    "a.tsx": ("// Shows.\nfunction F() { return <p>x</p> }", "const z = 1"),
    "a.rs": ("/// Adds.\nfn f() -> u8 { 1 }", "impl T {\n    fn g() {}\n}"),
    "a.java": ("/** Adds. */\nclass A { int f() { return 1; } }", "interface B { int g(); }"),
}


@requirement("rag:code")
@pytest.mark.parametrize("name", OTHERS)
def test_other_languages_are_known(name: str) -> None:
    """runtime.md §14.2: for some languages."""
    assert tuple(part.content for part in cut(name, "\n\n".join(OTHERS[name]))) == OTHERS[name]


@requirement("rag:code")
def test_all_else_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """runtime.md §14.2: fall back to text: other files, too much, no parser, not asked for."""
    text = "def f():\n    return 1\n\ndef g():\n    return 2"
    assert len(cut("a.py", text)) == 2
    assert len(cut("a.md", text)) == len(cut("a.py", text, aware=False)) == 1
    assert {len(part.content) for part in cut("a.py", f"{text}\n\n{'# x' * MAX_CODE}")} <= {
        *range(1, 4_001)
    }
    monkeypatch.setattr(code, "_parser", lambda grammar: None)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    assert len(cut("a.py", text)) == 1


@requirement("rag:code")
@given(
    st.sampled_from(sorted({f"a{end}" for end in GRAMMARS})),
    st.text(st.sampled_from("def class{}()\n \t;:#/*ä@x1\"'"), max_size=200),
    st.integers(5, 60),
)
def test_broken_code_loses_nothing(name: str, text: str, size: int) -> None:
    """A file in the middle of being written is code too."""
    found = "".join(part.content for part in cut(name, text, size))
    wanted = [letter for letter in text if letter.isalnum()]
    assert [letter for letter in found if letter.isalnum()] == wanted


@pytest.mark.anyio
@requirement("rag:code")
async def test_a_strategy_cuts_code_and_tells_what_stands_around(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """agent-file.md §2.11: `code_aware`, `ast_context`; a warning where the extra is missing."""
    put(tmp_path, {"docs/a.py": PYTHON})
    chunking = {"code_aware": True, "size": 60, "overlap": 0}
    words = {"type": "bm25", "chunking": chunking}
    async with shelf(tmp_path, source(words)) as toolset:
        (found,) = await asked(toolset, "async")
        assert found["content"].startswith("    async def off(self):")
    teller = Teller("said")
    lent = Lent({"one": Maker()}, {"teller": teller})
    prompt = "${ast_context}|${content}"
    for context, told in ((True, "It stands in: class Boiler(Thing):|"), (False, "|")):
        teller.heard.clear()
        declared = described(chunking=chunking, semantic_prompt=prompt, ast_context=context)
        async with shelf(tmp_path, source(declared), lent=lent):
            questions = [question for _, question, _ in teller.heard]
            assert [q.split("    ")[0] for q in questions if "async" in q] == [told]
    assert not caplog.text
    monkeypatch.setattr("docker_agent.tools.rag.plan.has_parser", lambda: False)
    async with shelf(tmp_path, source(words)):
        assert "chunking.code_aware: needs an extra: pip install 'docker-agent[rag]'" in caplog.text
