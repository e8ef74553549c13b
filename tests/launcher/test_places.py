"""Sockets fit into what the kernel allows, however long the path of the checkout is."""

from __future__ import annotations

from pathlib import Path

from portal.places import Places


def test_the_socket_lies_under_var() -> None:
    assert Places(Path("/srv/my portal/var")).postgres_socket_dir == Path("/srv/my portal/var/run/pg")


def test_a_long_path_gets_a_short_folder_of_its_own() -> None:
    one, other = Places(Path("/srv") / ("x" * 120)), Places(Path("/srv") / ("y" * 120))
    assert len(str(one.postgres_socket_dir)) < 60
    assert one.postgres_socket_dir != other.postgres_socket_dir
    assert one.postgres_socket_dir != one.socket_dir("demo-source")
