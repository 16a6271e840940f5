"""Secrets by their shapes. Source: runtime.md §12.6."""

from __future__ import annotations

import json
import re
import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_agent.env.secret_text import MARKER, SHAPES, redact
from docker_agent.hooks.redaction import HELD_BACK, LARGE, RedactedStream, Redaction
from docker_agent.messages import (
    JSON,
    AssistantMessage,
    Message,
    SystemMessage,
    TextPart,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from tests.requirements import requirement

HEX = "0123456789abcdef" * 10
WORD = "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA" * 6
UPPER = "ABCDEFGHJKLMNPQRSTUVWXYZ234567" * 4
PEM = f"-----BEGIN RSA PRIVATE KEY-----\n{WORD}\n{WORD}\n-----END RSA PRIVATE KEY-----"
JWT = f"eyJ{WORD[:20]}.eyJ{WORD[:30]}.{WORD[:40]}"

SECRETS = [
    PEM,
    f"AKIA{UPPER[:16]}",
    f"AIza{WORD[:35]}",
    f"ya29.{WORD[:40]}",
    f"GOCSPX-{WORD[:28]}",
    f"LTAI{WORD[:16]}",
    f"dop_v1_{HEX[:64]}",
    f"ghp_{WORD[:36]}",
    f"github_pat_{WORD[:82]}",
    f"glpat-{WORD[:20]}",
    f"ATATT{WORD[:40]}",
    f"xoxb-{'1234567890' * 2}-{WORD[:24]}",
    f"xapp-1-{UPPER[:11]}-{'1' * 13}-{HEX[:64]}",
    f"1234567890:AA{WORD[:33]}",
    f"sk-{WORD[:48]}",
    f"sk-proj-{WORD[:80]}",
    f"sk-ant-api03-{WORD[:93]}",
    f"gsk_{WORD[:52]}",
    f"xai-{WORD[:80]}",
    f"pplx-{WORD[:48]}",
    f"hf_{string.ascii_letters[:34]}",
    f"r8_{WORD[:37]}",
    f"nvapi-{WORD[:64]}",
    f"tvly-{WORD[:32]}",
    f"dckr_pat_{WORD[:27]}",
    f"npm_{WORD[:36]}",
    f"pypi-AgEIcHlwaS5vcmc{WORD[:90]}",
    f"sk_live_{WORD[:24]}",
    f"rk_test_{WORD[:24]}",
    f"whsec_{WORD[:32]}",
    f"shpat_{HEX[:32]}",
    f"SG.{WORD[:22]}.{WORD[:43]}",
    f"key-{HEX[:32]}",
    f"{HEX[:32]}-us12",
    f"hvs.{WORD[:90]}",
    f"{WORD[:14]}.atlasv1.{WORD[:67]}",
    f"dapi{HEX[:32]}",
    f"glsa_{WORD[:32]}_{HEX[:8]}",
    f"NRAK-{UPPER[:27]}",
    f"PMAK-{HEX[:24]}-{HEX[:34]}",
    f"figd_{WORD[:40]}",
    f"lin_api_{WORD[:40]}",
    f"ntn_{WORD[:46]}",
    f"tskey-auth-{WORD[:16]}-{WORD[:30]}",
    f"AGE-SECRET-KEY-1{UPPER[:58]}",
    f"pul-{HEX[:40]}",
    f"rubygems_{HEX[:48]}",
    f"sntrys_{WORD[:60]}",
    f"sbp_{HEX[:40]}",
    f"pat{WORD[:14]}.{HEX[:64]}",
    JWT,
]

INSIDE = [
    (f"AWS_SECRET_ACCESS_KEY={WORD[:40]}", f"AWS_SECRET_ACCESS_KEY={MARKER}"),
    (f'"secretAccessKey": "{WORD[:40]}"', f'"secretAccessKey": "{MARKER}"'),
    (f"AccountKey={WORD[:86]}==;x", f"AccountKey={MARKER};x"),
    ("postgres://me:hunter2hunter2@db/x", f"postgres://me:{MARKER}@db/x"),
    ("DB_PASSWORD=hunter2hunter2\nX=1", f"DB_PASSWORD={MARKER}\nX=1"),
    ('export MY_API_KEY="abcdef123456"', f'export MY_API_KEY="{MARKER}"'),
    (
        f"https://hooks.slack.com/services/{UPPER[:9]}/{UPPER[:9]}/{WORD[:24]}",
        f"https://hooks.slack.com/services/{MARKER}",
    ),
]

ORDINARY = [
    "",
    "Hello!",
    "The quick brown fox jumps over the lazy dog. " * 50,
    "see https://example.com/some/long/path?with=query&and=more#anchor",
    "commit 3f786850e387550fdab836ed7e6dc881de23001b in main",
    "id 123e4567-e89b-12d3-a456-426614174000",
    "sha256:" + HEX[:64],
    "my_very_long_snake_case_function_name(argument_number_one, another)",
    "import some.package.with_a.very.long.name as short",
    "task-management risk-assessment desk-organisation-of-things-in-general",
    "API_KEY=$API_KEY TOKEN=${TOKEN} OPENAI_API_KEY=<yours>",
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    "data:image/png;base64," + "iVBORw0KGgoAAAANSUhEUgAAAAUA" * 20,
    "https://user@example.com:8080/path",
    "这是一段没有空格的中文文本这是一段没有空格的中文文本",
]


@requirement("secrets:shapes")
@pytest.mark.parametrize("secret", SECRETS, ids=lambda secret: secret[:12].replace("\n", " "))
def test_a_secret_is_found_wherever_it_stands(secret: str) -> None:
    """Alone, in a sentence, quoted, in JSON and after an escaped line break; only it is taken."""
    assert redact(secret) == MARKER
    for around in ("my key is {}, thanks", 'token: "{}"', "<{}>", "a\n{}\nb", "KEY={}"):
        assert redact(around.format(secret)) == around.format(MARKER)
    inner = json.dumps({"text": f"first line\n{secret}"})
    assert secret[4:] not in redact(inner) and json.loads(redact(inner))


@requirement("secrets:shapes")
@pytest.mark.parametrize(("text", "clean"), INSIDE)
def test_of_a_pair_only_the_secret_is_taken(text: str, clean: str) -> None:
    """Names, addresses and users stay readable."""
    assert redact(text) == clean
    assert redact(clean) == clean


@requirement("secrets:shapes")
def test_a_private_key_that_was_cut_is_taken_to_the_end() -> None:
    """What a limit has cut is still a secret."""
    assert redact(f"see\n{PEM[:200]}") == f"see\n{MARKER}"
    assert redact(f"{PEM}\nand\n{PEM}") == f"{MARKER}\nand\n{MARKER}"


@requirement("secrets:ordinary")
@pytest.mark.parametrize("text", ORDINARY, ids=lambda text: text[:20])
def test_ordinary_text_stays_the_very_same(text: str) -> None:
    """A false alarm breaks hashes, code and links."""
    assert redact(text) == text


@requirement("secrets:ordinary")
@given(st.text(max_size=300))
def test_nothing_breaks_it_and_twice_is_once(text: str) -> None:
    """Any text at all."""
    once = redact(text)
    assert redact(once) == once


@requirement("secrets:ordinary")
def test_hostile_text_takes_linear_time() -> None:
    """A model or a tool may write anything: no shape may run away."""
    seeds = {re.sub(r"[\\(\[?|{].*", "", start) for shape in SHAPES for start in shape.starts}
    started = time.perf_counter()
    for seed in sorted(seeds):
        for text in (seed * (20_000 // max(1, len(seed))), f"{seed}{'a1' * 10_000} "):
            redact(text)
    assert time.perf_counter() - started < 60


ALL = Redaction(in_arguments=True, in_messages=True, in_results=True)
TOKEN = SECRETS[7]


@requirement("secrets:everywhere")
def test_every_kind_of_message_is_cleaned_and_clean_ones_are_the_same() -> None:
    """Calls stay JSON; what is clean is not copied."""
    call = ToolCall("c", "t", json.dumps({"pem": PEM, "n": 1, TOKEN: [TOKEN]}))
    dirty: tuple[Message, ...] = (
        SystemMessage(TOKEN),
        UserMessage(TOKEN),
        UserMessage((TextPart(TOKEN),)),
        AssistantMessage(TOKEN, TOKEN, (call,)),
        ToolMessage("c", TOKEN, parts=(TextPart(TOKEN),)),
        AssistantMessage(calls=(ToolCall("c", "t", "{broken " + TOKEN),)),
        AssistantMessage(calls=(ToolCall("c", "t", '{"k": "\\u0067' + TOKEN[1:] + '"}'),)),
    )
    seen = ALL.messages(dirty, {})
    assert TOKEN not in repr(seen) and TOKEN[1:] not in repr(seen) and WORD not in repr(seen)
    made = seen[3]
    assert isinstance(made, AssistantMessage)
    assert json.loads(made.calls[0].arguments) == {"pem": MARKER, "n": 1, MARKER: [MARKER]}
    clean: tuple[Message, ...] = (
        SystemMessage("x"),
        UserMessage("x"),
        UserMessage((TextPart("x"),)),
        AssistantMessage("x", calls=(ToolCall("c", "t", '{"a": 1}'),)),
        ToolMessage("c", "x"),
    )
    for _ in range(2):
        assert all(a is b for a, b in zip(ALL.messages(clean, {}), clean, strict=True))
    assert Redaction().messages(dirty, {}) is dirty
    nested: JSON = TOKEN
    for _ in range(200):
        nested = [nested]
    assert TOKEN not in repr(dict(ALL.arguments({"a": nested})))


@requirement("secrets:everywhere")
@pytest.mark.anyio
async def test_large_results_are_cleaned_too() -> None:
    """In pieces, away from the loop; nothing hides at a seam."""
    line = "word " * 20
    lines = [line] * (3 * LARGE // len(line))
    lines[len(lines) // 2] = TOKEN
    text = "\n".join([*lines, TOKEN])
    found = await ALL.result(text)
    assert found == text.replace(TOKEN, MARKER)
    assert await ALL.result(f"{text}\n{PEM}") == f"{found}\n{MARKER}"
    assert await Redaction().result(TOKEN) == TOKEN


@requirement("secrets:stream")
@pytest.mark.parametrize("size", [1, 3, 7, 50, 10_000])
def test_a_secret_in_pieces_is_not_shown(size: int) -> None:
    """Lines are held back until they are whole; what does not end is left out."""
    long = "x" * (HELD_BACK + 10)
    endless = f"-----BEGIN PRIVATE KEY-----\n{WORD * 40}\n"
    text = f"one\ntoken {TOKEN}\n{PEM}\n{endless}{WORD}\n-----END PRIVATE KEY-----\n{long}\nlast\n"
    stream = RedactedStream()
    shown = "".join(stream.feed(text[at : at + size]) for at in range(0, len(text), size))
    assert shown.startswith(f"one\ntoken {MARKER}\n")
    assert shown.endswith("last\n")
    assert TOKEN not in shown and WORD[:20] not in shown and "PRIVATE KEY" not in shown
