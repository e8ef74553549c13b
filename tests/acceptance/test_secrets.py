"""Secrets: no password that was typed or copied is found anywhere a person, a log, a dump or ``ps`` could show it."""

from __future__ import annotations

import base64
import html
import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, quote_plus

import psutil
import pytest
from psycopg import sql

from migrations_app.engine.postgres.client_tools import client_tools, passfile_line
from migrations_app.engine.spec import Endpoint, Side
from tests.acceptance.live_portal import LivePortal, live_portal
from tests.acceptance.web_visitor import WebVisitor
from tests.fixtures.servers import RunningServer

pytestmark = pytest.mark.timeout(300)

SOURCE = r"""q7'Src\:%41ü€ pa"ss"""
TARGET = r"""z9"Tgt:\\%ß' wört&<x>"""
WRONG = r"""w3'Wrong\:%ø pass"""
APPLICATION = r"""k5'App:\%ñ role"""
ADMIN = "a long enough test password"
END_SECONDS = 120
TABS = ("", "?tab=findings", "?tab=verification", "?tab=events", "?tab=settings")
SETUP = {"source_type": "OnPremises", "option": "ValidateAndMigrate", "mode": "Offline"}
OPTIONS = {
    "at_warnings": "go_on",
    "jobs": "2", "roles": "copy", "verification": "full", "on_object_error": "continue", "split_mib": "1024",
    "start": "now",
}  # fmt: skip


def forms_of(secret: str) -> dict[str, bytes]:
    """Return how a secret may be written somewhere, by the name of the writing."""
    endpoint = Endpoint(Side.SOURCE, "h", 1, "u", secret)
    raw = secret.encode()
    found = {
        "plain": raw,
        "latin1": secret.encode("latin-1", "replace"),
        "url": quote(secret, safe="").encode(),
        "form": quote_plus(secret).encode(),
        "json": json.dumps(secret)[1:-1].encode(),
        "json unicode": json.dumps(secret, ensure_ascii=False)[1:-1].encode(),
        "python": repr(secret)[1:-1].encode(),
        "html": html.escape(secret).encode(),
        "sql": secret.replace("'", "''").encode(),
        "escaped": secret.replace("\\", "\\\\").encode(),
        "passfile": passfile_line(endpoint).strip().rpartition(b"*:")[2],
        "hex": raw.hex().encode(),
    }
    for shift in range(3):
        # Wherever it lies in what was encoded: without the characters that its neighbours share.
        encoded = base64.b64encode(b"\0" * shift + raw)
        found[f"base64+{shift}"] = encoded[4 if shift else 0 : -4]
    return found


class Secrets:
    """What must not be found; ``check`` says which secret was found where, and how it was written."""

    def __init__(self, named: dict[str, str]) -> None:
        self._forms = [(name, how, text) for name, secret in named.items() for how, text in forms_of(secret).items()]

    def found_in(self, content: bytes) -> list[str]:
        return [f"{name} ({how})" for name, how, text in self._forms if text in content]


class Sampler:
    """Looks at every command line, and at the environment of the portal's processes, again and again."""

    def __init__(self, portal: LivePortal, secrets: Secrets) -> None:
        self._portal = portal
        self._secrets = secrets
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.found: set[str] = set()
        self.programs: set[str] = set()
        self.environments_read = 0

    def _watch(self) -> None:
        while not self._done.wait(0.1):
            for process in self._portal.processes():
                with suppress(psutil.NoSuchProcess):
                    self.programs.add(process.name())
                self._look(Path(f"/proc/{process.pid}/environ"))
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                self._look(path)

    def _look(self, path: Path) -> None:
        with suppress(OSError):
            content = path.read_bytes()
            self.environments_read += b"PORTAL_VAR_DIR=" in content
            self.found |= {f"{what} in {path}" for what in self._secrets.found_in(content)}

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


@pytest.fixture(scope="module")
def portal(servers, tmp_path_factory) -> Iterator[LivePortal]:
    with live_portal(tmp_path_factory.mktemp("portal"), database_server=servers.get(17, name="portal")) as running:
        yield running


@pytest.fixture(scope="module")
def pair(servers) -> Iterator[tuple[RunningServer, RunningServer]]:
    with servers.fresh(17, tls=True) as source, servers.fresh(18) as target:
        for server, role, password in (
            (source, "mover", SOURCE),
            (target, "mover", TARGET),
            (source, "application", APPLICATION),
        ):
            make_role(server, role, password=password)
        yield source, target


def make_role(server: RunningServer, role: str, *, password: str) -> None:
    statement = "CREATE ROLE {} LOGIN SUPERUSER PASSWORD {}"
    with server.connect() as connection:
        connection.execute(sql.SQL(statement).format(sql.Identifier(role), sql.Literal(password)))


def verifiers(server: RunningServer) -> dict[str, str]:
    found = server.psql("SELECT rolname || ' ' || rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL")
    return {f"verifier of {line.split()[0]}": line.split()[1].rpartition("$")[2] for line in found.splitlines()}


@pytest.mark.parametrize(
    "text",
    [
        SOURCE,
        f"password={quote(SOURCE)}",
        json.dumps({"password": SOURCE}),
        f"<b>{html.escape(SOURCE)}</b>",
        repr({"password": SOURCE}),
        *(base64.b64encode(b"x" * length + SOURCE.encode() + b"more").decode() for length in (7, 8, 9)),
    ],
)
def test_the_search_finds_what_is_there(text: str) -> None:
    assert Secrets({"source": SOURCE}).found_in(text.encode())
    assert not Secrets({"target": TARGET}).found_in(text.encode())


def test_no_secret_is_found_anywhere(portal, pair, tmp_path) -> None:
    source, target = pair
    named = {"source": SOURCE, "target": TARGET, "wrong": WRONG, "application": APPLICATION} | verifiers(source)
    visitor = WebVisitor(portal.url)
    visitor.log_in("ada", ADMIN)
    for number in (1, 2):
        database = source.create_database(f"shop{number}")
        source.psql(
            "CREATE TABLE t (id int PRIMARY KEY, x text); INSERT INTO t SELECT g, md5(g::text) FROM"
            " generate_series(1, 50000) g; ALTER TABLE t OWNER TO application",
            database=database,
        )
    said = []
    everywhere = Secrets(named | {"admin": ADMIN})
    with Sampler(portal, everywhere) as sampler:
        said += create_on_the_command_line(portal, source, target)
        by_wizard = create_in_the_wizard(visitor, source, target)
        for name in ("by-cli", "by-wizard"):
            assert wait_for_the_end(portal, name) == "Succeeded"
        look_around(visitor, portal, by_wizard)
    assert {"psql", "pg_dump"} & sampler.programs, sampler.programs
    assert sampler.environments_read > 100
    assert sampler.found == set()
    for name in ("by-cli", "by-wizard"):
        for words in (["show", name], ["events", name], ["report", name], ["verify", name], ["list"]):
            done = portal.manage("migration", *words, "--output", "json")
            said.append(done.stdout + done.stderr)
    said.append(portal.manage("shell", "-c", SESSIONS).stdout)
    assert "_auth_user_id" in said[-1]

    places = {f"command line {number}": text.encode() for number, text in enumerate(said)}
    places |= {f"page {url} #{number}": text.encode() for number, (url, text) in enumerate(visitor.shown)}
    places |= {str(path): path.read_bytes() for path in files_of(portal)}
    places["dump of the portal's database"] = dump_of(portal, tmp_path)
    assert len(visitor.shown) > 25
    assert b"by-wizard" in places["dump of the portal's database"]
    found = {where: what for where, content in places.items() if (what := everywhere.found_in(content))}
    assert found == {}


SESSIONS = (
    "from django.contrib.sessions.models import Session; print([s.get_decoded() for s in Session.objects.all()]);"
    "from django_q.models import OrmQ, Task, Schedule;"
    "print([q.task() for q in OrmQ.objects.all()]);"
    "print([(t.args, t.kwargs, t.result) for t in Task.objects.all()], list(Schedule.objects.values()))"
)


def create_on_the_command_line(portal: LivePortal, source: RunningServer, target: RunningServer) -> list[str]:
    """Create one with a wrong password, then the right one."""
    said = []
    for password, code in ((WRONG, 2), (SOURCE, 0)):
        done = portal.manage(
            "migration", "create", "by-cli", "--start", "--no-color",
            "--source", f"127.0.0.1:{source.port}@mover", "--source-sslmode", "require",
            "--target", f"127.0.0.1:{target.port}@mover", "--database", "shop1",
            PORTAL_SOURCE_PASSWORD=password, PORTAL_TARGET_PASSWORD=TARGET,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        said.append(done.stdout + done.stderr)
    return said


def create_in_the_wizard(visitor: WebVisitor, source: RunningServer, target: RunningServer) -> str:
    """Walk through the wizard, with a wrong password first; return the path of the migration's page."""
    visitor.post("/migrations/new/", SETUP | {"name": "by-wizard"})
    found = re.search(r"(/migrations/[0-9a-f-]{36}/)setup/source/", visitor.url)
    assert found, visitor.url
    base = found.group(1)
    fields = {"host": "127.0.0.1", "username": "mover", "maintenance_database": "postgres", "ca_certificate": ""}
    here = fields | {"port": str(source.port), "sslmode": "require", "save_as": "Kept source"}
    there = fields | {"port": str(target.port), "sslmode": "prefer"}
    refused = visitor.post(f"{base}setup/source/", here | {"password": WRONG, "action": "next"})
    assert "refused the login" in refused
    visitor.post(f"{base}setup/source/", here | {"password": SOURCE, "action": "next"})
    assert visitor.url.endswith("setup/target/")
    visitor.post(f"{base}setup/target/", there | {"password": TARGET, "action": "next"})
    assert visitor.url.endswith("setup/databases/")
    numbers = re.findall(r'name="name-(\d+)" value="([^"]+)"', visitor.get(f"{base}setup/databases/"))
    chosen = {"chosen": "shop2", "action": "next"}
    for number, name in numbers:
        chosen |= {f"name-{number}": name, f"target-{number}": name, f"consent-{number}": ""}
    visitor.post(f"{base}setup/databases/", chosen)
    visitor.post(f"{base}setup/options/", OPTIONS | {"action": "next"})
    assert visitor.url.endswith("setup/review/")
    for step in ("setup", "source", "target"):
        visitor.get(f"{base}setup/{step}/")
    visitor.post(f"{base}setup/review/", {"action": "start"})
    assert visitor.url.endswith(base), visitor.url
    return base


def look_around(visitor: WebVisitor, portal: LivePortal, base: str) -> None:
    """Read every page and fragment about both migrations, the servers and the history."""
    ids = [row[0] for row in portal.rows("SELECT id::text FROM migrations_app_migration")]
    assert base.split("/")[2] in ids
    for migration in ids:
        for tab in TABS:
            visitor.get(f"/migrations/{migration}/{tab}")
            visitor.get(f"/migrations/{migration}/live/{tab}", **{"HX-Request": "true"})
        for page in ("report/", "report/file/", "report.json", "fixes/source.sql", "fixes/target.sql"):
            visitor.get(f"/migrations/{migration}/{page}")
    for path in ("/", "/live/", "/servers/", "/admin/"):
        visitor.get(path)
    for (server,) in portal.rows("SELECT id::text FROM migrations_app_savedconnection"):
        visitor.get(f"/servers/{server}/")
    for link in set(re.findall(r'href="(/admin/[a-z_]+/[a-z]+/)"', visitor.get("/admin/"))):
        visitor.get(link)


def wait_for_the_end(portal: LivePortal, name: str) -> str:
    deadline = time.monotonic() + END_SECONDS
    while time.monotonic() < deadline:
        ((state, error),) = portal.rows("SELECT state, error FROM migrations_app_migration WHERE name = %s", name)
        if state not in ("Queued", "InProgress"):
            return f"{state} {error}".strip()
        time.sleep(0.3)
    return "still running"


def files_of(portal: LivePortal) -> list[Path]:
    """Return every file below the portal's var directory but its keys."""
    files = [path for path in portal.directory.rglob("*") if path.is_file() and path.suffix != ".key"]
    assert any(path.name == "web.log" for path in files)
    return files


def dump_of(portal: LivePortal, folder: Path) -> bytes:
    """Return a plain dump of the portal's own database."""
    tools = client_tools()
    file = folder / "portal.sql"
    command = [tools.path("pg_dump"), "--inserts", "--file", str(file), "--dbname", portal.database_url]
    subprocess.run(command, env=dict(tools.environment), check=True, timeout=60)
    return file.read_bytes()
