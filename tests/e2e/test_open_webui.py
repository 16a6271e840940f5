"""Open WebUI in a real Chromium, its connection made as the seed says. Source: seed.txt, parts.md
B2, clients.md 76 to 78."""

from __future__ import annotations

import itertools
import json
from collections.abc import Generator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.browser import CHROMIUM, PATIENCE, Watched, chromium, watched_page
from tests.e2e.webui import COMMAND, OpenWebUI
from tests.harness import Server, agent_yaml
from tests.requirements import requirement
from tests.scripted.gate import Gate
from tests.scripted.heard import Heard, Model
from tests.scripted.model import Scripted
from tests.scripted.parts import begin, call, endless, hold, say
from tests.scripted.steps import Reply

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.skipif(not COMMAND.exists(), reason="Open WebUI is not installed"),
]
TOKEN = "correct-horse"
AGENTS = ("root", "poet", "stopper", "editor", "worker")
TITLE = "A fitting title"
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="module")
def server(scripted: Scripted, tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """Started as the seed shows, with conversations; `worker` has a tool."""
    agents: dict[str, dict[str, Any]] = {name: {"model": f"webui-{name}"} for name in AGENTS}
    agents["worker"]["toolsets"] = [{"type": "think"}]
    flags = ("--cors-origin", "http://localhost:3000", "--api-key-env", "OPEN_WEBUI_TOKEN")
    with Server(
        agent_yaml(scripted.url, agents),
        *(*flags, "--conversations-max", "100"),
        home=tmp_path_factory.mktemp("behind"),
        env={"OPEN_WEBUI_TOKEN": TOKEN},
    ) as running:
        yield running
        assert "Traceback" not in running.log


@pytest.fixture(scope="module")
def webui(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Generator[OpenWebUI]:
    """Open WebUI with a connection to our server."""
    with OpenWebUI(tmp_path_factory.mktemp("webui")) as running:
        running.connect(server.url, TOKEN)
        yield running


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    """One browser."""
    with chromium() as running:
        yield running


@pytest.fixture
def watched(
    browser: Browser, webui: OpenWebUI, request: pytest.FixtureRequest
) -> Generator[Watched]:
    """A page of Open WebUI, a picture of it kept however the test ends."""
    with watched_page(browser, webui.url) as open_page:
        try:
            yield open_page
        finally:
            open_page.shoot(f"open-webui-{request.node.name.removeprefix('test_')}")
        assert open_page.hosts <= {f"127.0.0.1:{webui.port}"}


def speaks(model: Model, *replies: Reply) -> Model:
    """Script a model for a person's questions; what Open WebUI asks beside them has answers of
    its own."""
    given = itertools.chain(replies, itertools.repeat(replies[-1]))

    def answer(heard: Heard) -> Reply:
        if is_aside(heard):
            return say(json.dumps({"title": TITLE, "tags": ["a"], "follow_ups": ["And then?"]}))
        return next(given)

    return model.forget().script(answer)


def is_aside(heard: Heard) -> bool:
    """Whether it is one of Open WebUI's own questions."""
    return heard.text.startswith("### Task:")


def asked(model: Model) -> list[list[tuple[str, object]]]:
    """What a person's questions came with: role and content, without the instructions."""
    return [
        [(message["role"], message.get("content")) for message in heard.messages[1:]]
        for heard in model.heard
        if not is_aside(heard)
    ]


def open_chat(page: Page, agent: str) -> None:
    """A new chat with an agent."""
    page.goto(f"/?models={agent}")
    expect(page.locator("#chat-input")).to_be_visible()
    expect(page.get_by_label(f"Selected model: {agent}")).to_be_visible()
    page.add_locator_handler(
        page.get_by_role("button", name="Okay, Let's Go!"), lambda button: button.click()
    )


def send(page: Page, text: str) -> None:
    """Type and press Enter."""
    page.locator("#chat-input").click()
    page.keyboard.type(text)
    page.keyboard.press("Enter")


def answer(page: Page) -> Locator:
    """The last answer."""
    return page.locator("[id^=message-]").filter(has=page.get_by_label("Regenerate")).last


@requirement("seed:open-webui", "seed:open-webui-models")
def test_every_agent_is_a_model_to_choose(watched: Watched, webui: OpenWebUI) -> None:
    """seed.txt: each agent in your config appears as a selectable model."""
    listed = [model["id"] for model in webui.get("/api/models?refresh=true")["data"]]
    assert set(AGENTS) <= set(listed)
    page = watched.page
    open_chat(page, "root")
    page.get_by_label("Selected model: root").click()
    for agent in AGENTS:
        expect(page.get_by_role("option", name=agent)).to_be_visible()


@requirement("clients:open-webui")
def test_a_chat_streams_while_its_title_is_made_beside_it(
    watched: Watched, scripted: Scripted
) -> None:
    """clients.md 78: the title is asked for while the answer grows, and is no part of the chat."""
    gate = Gate()
    model = speaks(
        scripted.model("webui-poet"),
        begin() + say("Roses ") + hold(gate) + say("are red."),
        say("Violets are blue."),
    )
    page = watched.page
    open_chat(page, "poet")
    send(page, "A poem please")
    expect(page.get_by_text("Roses")).to_be_visible()
    assert page.get_by_text("are red").count() == 0
    gate.open()
    expect(page.get_by_text("Roses are red.")).to_be_visible()
    expect(page.get_by_text(TITLE).first).to_be_visible()
    send(page, "Go on")
    expect(page.get_by_text("Violets are blue.")).to_be_visible()
    assert asked(model)[1] == [
        ("user", "A poem please"),
        ("assistant", "Roses are red."),
        ("user", "Go on"),
    ]
    asides = [heard for heard in model.heard if is_aside(heard)]
    assert asides
    assert [heard.tool_names for heard in asides] == [[]] * len(asides)


@requirement("clients:open-webui")
def test_a_tool_using_agent_shows_its_answer_and_remembers_its_calls(
    watched: Watched, scripted: Scripted
) -> None:
    """clients.md 28, 76: the agent's tools are its own business; the chat's id, set as a header of
    the connection, names the conversation in which their calls are kept."""
    model = speaks(
        scripted.model("webui-worker"),
        call("think", {"thought": "forty-two"}),
        say("I have thought."),
        say("Still forty-two."),
    )
    page = watched.page
    open_chat(page, "worker")
    send(page, "Think of a number")
    expect(page.get_by_text("I have thought.")).to_be_visible()
    expect(answer(page)).to_be_visible()
    send(page, "Which one?")
    expect(page.get_by_text("Still forty-two.")).to_be_visible()
    roles = [role for role, _ in asked(model)[2]]
    assert roles == ["user", "assistant", "tool", "assistant", "user"]


@requirement("clients:open-webui")
def test_the_stop_button_stops_the_model(watched: Watched, scripted: Scripted) -> None:
    """clients.md 16, 26: the button reaches the model within seconds."""
    model = speaks(scripted.model("webui-stopper"), begin() + endless(per_second=20))
    page = watched.page
    open_chat(page, "stopper")
    send(page, "Go on for ever")
    expect(page.get_by_text("word word word")).to_be_visible()
    page.get_by_label("Stop", exact=True).click()
    endless_one = next(heard for heard in model.heard if not is_aside(heard))
    assert endless_one.wait_cut(PATIENCE / 1000)


@requirement("clients:open-webui")
def test_regenerated_and_edited_messages_branch_the_conversation(
    watched: Watched, scripted: Scripted
) -> None:
    """clients.md 77: the same chat id with another history goes on from where they differ."""
    model = speaks(
        scripted.model("webui-editor"), *map(say, ("First.", "Second.", "Third.", "Fourth."))
    )
    page = watched.page
    open_chat(page, "editor")
    send(page, "One")
    expect(page.get_by_text("First.")).to_be_visible()
    answer(page).get_by_label("Regenerate").click()
    page.get_by_role("button", name="Try Again").click()
    expect(page.get_by_text("Second.")).to_be_visible()
    expect(answer(page)).to_be_visible()
    send(page, "Two")
    expect(page.get_by_text("Third.")).to_be_visible()
    expect(answer(page)).to_be_visible()
    _edit_first(page, "Another one")
    expect(page.get_by_text("Fourth.")).to_be_visible()
    assert asked(model) == [
        [("user", "One")],
        [("user", "One")],
        [("user", "One"), ("assistant", "Second."), ("user", "Two")],
        [("user", "Another one")],
    ]


def _edit_first(page: Page, text: str) -> None:
    first = page.locator(".user-message").first
    first.hover()
    first.get_by_label("Edit").click()
    first.locator("textarea").fill(text)
    first.get_by_role("button", name="Send").click()
