-- Tables among those named, and partitions of them, whose owner our user or the table above may not act as.
WITH RECURSIVE named (oid, owner) AS (
    SELECT c.oid, c.relowner
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN ROWS FROM (pg_catalog.unnest(%(schemas)s::name[]), pg_catalog.unnest(%(names)s::name[])) AS w (schema, name)
        ON w.schema = n.nspname AND w.name = c.relname
), below (oid, owner) AS (
    SELECT oid, owner FROM named
    UNION
    SELECT i.inhrelid, b.owner
    FROM below b
    JOIN pg_catalog.pg_inherits i ON i.inhparent = b.oid
    JOIN pg_catalog.pg_class p ON p.oid = b.oid AND p.relkind = 'p'
)
SELECT DISTINCT pg_catalog.format('%%I.%%I', n.nspname, c.relname) AS "table",
       pg_catalog.pg_get_userbyid(c.relowner)::text AS owner
FROM below b
JOIN pg_catalog.pg_class c ON c.oid = b.oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relowner <> b.owner OR NOT pg_catalog.pg_has_role(current_user, c.relowner, %(right)s)
ORDER BY 1
