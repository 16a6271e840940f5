"""A real Chromium, headless, and a page that notes what goes wrong in it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from tests.e2e.places import ARTEFACTS

PATIENCE = 60_000
"""Milliseconds that a thing may take to appear; the machine may be busy."""

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]


@contextmanager
def chromium() -> Generator[Browser]:
    """The system's Chromium, until the block is left."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass(slots=True)
class Watched:
    """A page, and what it asked of whom and complained about."""

    page: Page
    requests: list[str] = field(default_factory=list[str])
    complaints: list[str] = field(default_factory=list[str])

    @property
    def hosts(self) -> set[str]:
        """Everybody the page spoke with."""
        return {urlsplit(url).netloc for url in self.requests if url.startswith("http")}

    def shoot(self, name: str) -> None:
        """Keep a picture for people to look at."""
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        safe = re.sub(r"[^\w-]+", "-", name)
        self.page.screenshot(path=ARTEFACTS / f"{safe}.png", full_page=True)


@contextmanager
def watched_page(browser: Browser, base_url: str) -> Generator[Watched]:
    """A page in a profile of its own."""
    context = browser.new_context(base_url=base_url, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    watched = Watched(context.new_page())

    def requested(request: Request) -> None:
        watched.requests.append(request.url)

    def said(message: ConsoleMessage) -> None:
        where = message.location["url"]
        if message.type == "error" and not where.endswith("/favicon.ico"):
            watched.complaints.append(f"{message.text} ({where})")

    watched.page.on("request", requested)
    watched.page.on("console", said)
    watched.page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    try:
        yield watched
    finally:
        context.close()
