"""The page at `/` in a real Chromium: agents, chat, stop, key and snippets. Source: chat-server.md
§2."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.conftest import Serve
from tests.e2e.browser import CHROMIUM, PATIENCE, Watched, chromium, watched_page
from tests.harness import Server, agent_yaml, clean_environment
from tests.requirements import requirement
from tests.scripted.gate import Gate
from tests.scripted.model import Scripted
from tests.scripted.parts import begin, endless, hold, say, stream_error

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    """One browser; each test has a profile of its own."""
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def server(scripted: Scripted, tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """Two agents, no key."""
    agents = {"root": "page-root", "poet": "page-poet"}
    with Server(agent_yaml(scripted.url, agents), home=tmp_path_factory.mktemp("page")) as running:
        yield running


@pytest.fixture
def watched(browser: Browser, server: Server) -> Generator[Watched]:
    """The page, open; afterwards it has complained of nothing and spoken with nobody else."""
    with watched_page(browser, f"http://{server.address}") as open_page:
        open_page.page.goto("/")
        yield open_page
        assert open_page.hosts == {server.address}
        assert open_page.complaints == []


def send(watched: Watched, text: str) -> None:
    """Type and send, as a person does."""
    watched.page.get_by_label("Message").fill(text)
    watched.page.get_by_role("button", name="Send").click()


@requirement("chat:2:page")
def test_a_chat_is_shown_while_the_model_speaks(watched: Watched, scripted: Scripted) -> None:
    """chat-server.md §2: pick an agent and chat with it streamed."""
    gate = Gate()
    model = scripted.model("page-poet").forget()
    model.script(begin() + say("Roses ") + hold(gate) + say("are red."), say("Blue."))
    watched.page.get_by_label("Agent").select_option("poet")
    send(watched, "A poem")
    answer = watched.page.locator(".turn.assistant").last
    expect(answer).to_contain_text("Roses")
    expect(answer).not_to_contain_text("red")
    gate.open()
    expect(answer).to_contain_text("Roses are red.")
    send(watched, "And violets?")
    expect(watched.page.locator(".turn.assistant").last).to_contain_text("Blue.")
    told = [message["content"] for message in model.heard[1].messages[1:]]
    assert told == ["A poem", "Roses are red.", "And violets?"]
    watched.shoot("page-chat")


@requirement("chat:2:page")
def test_stop_ends_the_run(watched: Watched, scripted: Scripted) -> None:
    """chat-server.md §1: a client that leaves cancels its run; the page's button leaves."""
    model = scripted.model("page-root").forget().script(begin() + endless(per_second=20))
    send(watched, "Go on for ever")
    expect(watched.page.locator(".turn.assistant").last).to_contain_text("word word")
    watched.page.get_by_role("button", name="Stop").click()
    assert model.heard[0].wait_cut(PATIENCE / 1000)
    expect(watched.page.get_by_role("button", name="Send")).to_be_enabled()


@requirement("chat:2:page")
def test_an_error_in_the_middle_is_shown(watched: Watched, scripted: Scripted) -> None:
    """chat-server.md §4: an error event after the first text."""
    scripted.model("page-root").forget().script(say("Half ") + stream_error("the model fell over"))
    send(watched, "Hello")
    expect(watched.page.locator(".turn.error")).to_contain_text("the model fell over")


@requirement("chat:2:page")
def test_the_snippets_work_as_they_are(
    watched: Watched, server: Server, scripted: Scripted, tmp_path: Path
) -> None:
    """chat-server.md §2: copyable curl, SDK and Open WebUI snippets, for the chosen agent."""
    model = scripted.model("page-poet").forget().script(say("It works."))
    watched.page.get_by_label("Agent").select_option("poet")
    curl = watched.page.locator("#curl").inner_text()
    assert "It works." in _run(["sh", "-c", curl], tmp_path)
    watched.page.get_by_text("OpenAI Python SDK").click()
    sdk = watched.page.locator("#sdk").inner_text()
    assert _run([sys.executable, "-c", sdk], tmp_path) == "It works.\n"
    watched.page.get_by_text("Open WebUI", exact=True).click()
    assert server.url in watched.page.locator("#webui").inner_text()
    assert len(model.heard) == 2


def _run(command: list[str], home: Path) -> str:
    done = subprocess.run(
        command,
        env=clean_environment(home),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


@requirement("chat:2:page")
def test_the_key_field_opens_a_server_with_a_key(
    browser: Browser, serve: Serve, scripted: Scripted
) -> None:
    """chat-server.md §2: the page needs no key, its chats do."""
    scripted.model("page-key").forget().script(say("Welcome."))
    server = serve(agent_yaml(scripted.url, "page-key"), "--api-key", "sesame")
    with watched_page(browser, f"http://{server.address}") as watched:
        watched.page.goto("/")
        key = watched.page.get_by_label("API key")
        expect(key).to_have_attribute("placeholder", re.compile("A valid API key is needed"))
        key.fill("sesame")
        key.press("Tab")
        expect(watched.page.get_by_label("Agent").locator("option")).to_have_text(["root"])
        send(watched, "Hello")
        expect(watched.page.locator(".turn.assistant").last).to_contain_text("Welcome.")
        assert watched.hosts == {server.address}


@requirement("chat:2:page")
def test_the_schema_is_one_click_away(watched: Watched) -> None:
    """chat-server.md §2: a link to the schema."""
    watched.page.get_by_role("link", name="schema").click()
    expect(watched.page.locator("body")).to_contain_text('"openapi"')
