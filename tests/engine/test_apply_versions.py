"""Publishers and subscribers that differ most: what is in the stream, and what may be written, changes with them."""

from __future__ import annotations

import pytest

from tests.engine.applying import followed
from tests.fixtures.servers import ServerPool

SCHEMA = """
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TABLE t (id int PRIMARY KEY, v text, m mood, n numeric);
CREATE TABLE f (a int, j json); ALTER TABLE f REPLICA IDENTITY FULL;
CREATE TABLE i (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, big text);
ALTER TABLE i ALTER big SET STORAGE EXTERNAL;
"""
WRITES = (
    "INSERT INTO t SELECT g, 'v' || g, 'ok', g / 3.0 FROM generate_series(1, 200) g",
    "BEGIN; UPDATE t SET v = NULL, m = 'sad' WHERE id < 50; UPDATE t SET id = id + 1000 WHERE id < 5;"
    "DELETE FROM t WHERE id % 10 = 0; COMMIT",
    "INSERT INTO f SELECT g % 3, '{}' FROM generate_series(1, 30) g",
    "UPDATE f SET j = NULL WHERE a = 1",
    "DELETE FROM f WHERE a = 2",
    "INSERT INTO i (big) SELECT repeat(md5(g::text), 100) FROM generate_series(1, 5) g",
    "UPDATE i SET id = DEFAULT WHERE id = 2",
    "DO $$ BEGIN FOR n IN 300..320 LOOP BEGIN INSERT INTO t VALUES (n); IF n % 2 = 0 THEN RAISE 'no'; END IF;"
    " EXCEPTION WHEN raise_exception THEN NULL; END; END LOOP; END $$",
)


@pytest.mark.parametrize(("publisher", "subscriber"), [(10, 18), (12, 16), (14, 17), (18, 10)])
def test_from_one_major_to_another(servers: ServerPool, publisher: int, subscriber: int) -> None:
    with followed(servers.get(publisher), servers.get(subscriber), SCHEMA, memory_bytes=50_000) as made:
        made.write(*WRITES)
        made.assert_same()
        if publisher > 10:
            made.write("TRUNCATE t, f")
            made.assert_same()
