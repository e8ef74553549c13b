-- Publications that send updates or deletes of the tables named: without an identity the server would refuse those.
WITH RECURSIVE named (oid, schema, name) AS (
    SELECT c.oid, n.nspname, c.relname
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN ROWS FROM (pg_catalog.unnest(%(schemas)s::name[]), pg_catalog.unnest(%(names)s::name[])) AS w (schema, name)
        ON w.schema = n.nspname AND w.name = c.relname
), above (ancestor, schema, name) AS (
    SELECT oid, schema, name FROM named
    UNION
    SELECT i.inhparent, a.schema, a.name
    FROM above a
    JOIN pg_catalog.pg_inherits i ON i.inhrelid = a.ancestor
)
SELECT DISTINCT a.schema, a.name, p.pubname AS publication
FROM above a
JOIN pg_catalog.pg_class c ON c.oid = a.ancestor
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_publication_tables t ON t.schemaname = n.nspname AND t.tablename = c.relname
JOIN pg_catalog.pg_publication p ON p.pubname = t.pubname
WHERE p.pubupdate OR p.pubdelete
ORDER BY 1, 2, 3
