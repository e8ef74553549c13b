"""A person without JavaScript at a live portal: logs in, reads pages, posts forms. Keeps everything it was shown."""

from __future__ import annotations

import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from http.cookiejar import CookieJar

TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
SEEN = re.compile(r'name="seen"[^>]* value="([0-9a-f]*)"')


class WebVisitor:
    """``shown`` is every page and fragment so far, by its address."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.shown: list[tuple[str, str]] = []
        self.cookies = CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))

    def get(self, path: str, **headers: str) -> str:
        """Return a page."""
        return self._open(urllib.request.Request(self.base + path, headers=headers))

    def post(self, path: str, fields: Mapping[str, str | Sequence[str]], *, form_at: str | None = None) -> str:
        """Send the form found at ``form_at`` (else at ``path``) with its hidden marks; return the page it leads to."""
        form = self.get(form_at or path)
        hidden = {"csrfmiddlewaretoken": TOKEN.findall(form)[-1]}
        if seen := SEEN.search(form):
            hidden["seen"] = seen.group(1)
        body = urllib.parse.urlencode({**hidden, **fields}, doseq=True).encode()
        return self._open(urllib.request.Request(self.base + path, data=body, headers={"Referer": self.base + path}))

    def log_in(self, user: str, password: str) -> None:
        """Log in through the form."""
        self.post("/login/", {"username": user, "password": password})
        assert any(cookie.name == "sessionid" for cookie in self.cookies)

    def _open(self, request: urllib.request.Request) -> str:
        with self._opener.open(request, timeout=60) as response:
            text = str(response.read().decode(errors="replace"))
            self.url = response.geturl()
            self.shown.append((self.url, text + str(response.headers)))
        return text
