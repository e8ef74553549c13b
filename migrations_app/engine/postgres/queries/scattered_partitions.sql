-- Partitions below a hash of an enum, with the topmost such table: the same row hashes elsewhere on another server.
WITH RECURSIVE below AS (
    SELECT p.partrelid AS top, p.partrelid AS oid, 0 AS depth
    FROM pg_catalog.pg_partitioned_table p
    WHERE p.partstrat = 'h' AND EXISTS (
        SELECT FROM pg_catalog.pg_opclass o
        WHERE o.oid = ANY (p.partclass::oid[])
          AND o.opcname = 'enum_ops' AND o.opcnamespace = 'pg_catalog'::pg_catalog.regnamespace)
    UNION ALL
    SELECT b.top, i.inhrelid, b.depth + 1
    FROM below b
    JOIN pg_catalog.pg_inherits i ON i.inhparent = b.oid
)
SELECT DISTINCT ON (b.oid) b.oid::bigint, n.nspname, t.relname
FROM below b
JOIN pg_catalog.pg_class c ON c.oid = b.oid AND c.relkind = 'r'
JOIN pg_catalog.pg_class t ON t.oid = b.top
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
ORDER BY b.oid, b.depth DESC
