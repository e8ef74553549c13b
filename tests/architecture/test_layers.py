"""Four packages, one direction: docs/architecture.md."""

from __future__ import annotations

import ast

import pytest

from tests.architecture.source_code import Source, belongs_to, sources

ENGINE = "migrations_app.engine"
POSTGRES = "migrations_app.engine.postgres"
DRIVERS = ("psycopg", "psycopg_pool", "psycopg_binary", "psycopg_c")
CLIENT_PROGRAMS = ("psql", "pg_dump", "pg_dumpall", "pg_restore")
# Values without behavior that a page may show or fill in; everything else of the engine is the services' business.
ENGINE_VALUES = (
    f"{ENGINE}.errors",
    f"{ENGINE}.events",
    f"{ENGINE}.findings",
    f"{ENGINE}.probe",
    f"{ENGINE}.providers",
    f"{ENGINE}.replication.lsn",
    f"{ENGINE}.spec",
)
# Module -> why it may do what the rule forbids.
MAY_IMPORT_THE_DRIVER: dict[str, str] = {}
MAY_START_PROCESSES = {
    POSTGRES: "it starts psql, pg_dump and pg_restore",
    "portal.local_postgres": "it starts servers",
    "portal.launcher": "it starts the portal's own processes",
    "portal.demo": "it fills the sample servers with psql",
}
MAY_USE_THE_ENGINE = {
    "portal.demo": "it starts sample servers and fills them through the engine's connections",
}


def _offenders(files: tuple[Source, ...], *forbidden: str, allowed: tuple[str, ...] = ()) -> list[str]:
    return [
        f"{file.path} imports {name}"
        for file in files
        for name in file.imports()
        if belongs_to(name, *forbidden) and not belongs_to(name, *allowed)
    ]


def test_the_engine_knows_neither_django_nor_the_portal_nor_the_rows() -> None:
    everything_else = ("django", "django_q", "portal", "benchmarks", "tests", "migrations_app")
    assert not _offenders(sources("migrations_app/engine"), *everything_else, allowed=(ENGINE,))


def test_only_engine_postgres_imports_the_driver() -> None:
    files = tuple(
        file
        for file in sources("migrations_app", "portal", "benchmarks")
        if not belongs_to(file.module, POSTGRES, *MAY_IMPORT_THE_DRIVER)
    )
    assert not _offenders(files, *DRIVERS)


def test_only_named_packages_start_processes() -> None:
    files = tuple(
        file for file in sources("migrations_app", "portal") if not belongs_to(file.module, *MAY_START_PROCESSES)
    )
    starting = ("subprocess", "os.fork", "os.posix_spawn", "os.system", "os.popen", "multiprocessing.Process")
    assert not _offenders(files, *starting)


def test_only_engine_postgres_names_client_programs_as_commands() -> None:
    """The engine's other packages hand arguments over; they do not call a program by themselves."""
    files = [file for file in sources("migrations_app/engine") if not belongs_to(file.module, POSTGRES)]
    offenders = [
        f"{file.path}:{node.lineno}"
        for file in files
        for node in ast.walk(file.tree)
        if isinstance(node, ast.List) and node.elts and _is_client_program(node.elts[0])
    ]
    assert not offenders


def _is_client_program(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value in CLIENT_PROGRAMS


def test_migrations_app_does_not_know_the_portal() -> None:
    assert not _offenders(sources("migrations_app"), "portal", "benchmarks", "tests")


def test_pages_use_services_and_selectors_not_the_engines_insides() -> None:
    files = tuple(file for file in sources("portal") if not belongs_to(file.module, *MAY_USE_THE_ENGINE))
    assert not _offenders(files, ENGINE, allowed=ENGINE_VALUES)


def test_pages_do_not_change_a_state_themselves() -> None:
    transitions = "migrations_app.lifecycle.transition"
    assert not _offenders(sources("portal"), transitions)


def test_selectors_only_read() -> None:
    assert not _offenders(sources("migrations_app/selectors"), "migrations_app.services", "migrations_app.tasks")


@pytest.mark.parametrize("package", ["models", "engine"])
def test_the_lower_layers_do_not_know_the_upper(package: str) -> None:
    upper = [f"migrations_app.{name}" for name in ("services", "selectors", "tasks", "worker", "admin", "cli")]
    assert not _offenders(sources(f"migrations_app/{package}"), *upper)


def test_every_exemption_is_needed() -> None:
    """An exemption whose module is gone, or no longer needs it, is removed."""
    modules = {file.module for file in sources("migrations_app", "portal")}
    named = [*MAY_IMPORT_THE_DRIVER, *MAY_START_PROCESSES, *MAY_USE_THE_ENGINE]
    assert not [name for name in named if not any(belongs_to(module, name) for module in modules)]
