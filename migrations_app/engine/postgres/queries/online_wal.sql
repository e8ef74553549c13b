-- How far the WAL is, and how much was written since its statistics were reset; null where the server keeps none.
SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::int8 AS position_bytes,
       extract(epoch FROM clock_timestamp())::float8 AS at_seconds,
       NULL::int8 AS counted_bytes, NULL::float8 AS counted_seconds
