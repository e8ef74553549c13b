-- PostgreSQL 12 began to count checksum failures; older servers have none to show.
SELECT NULL::text AS database, 0::int8 AS failures, NULL::text AS last_at WHERE false
