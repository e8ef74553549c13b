-- Partitions, with the table they belong to and their bounds; `is_attached`: it was another table before.
SELECT n.nspname::text AS schema, c.relname::text AS name, pn.nspname::text AS parent_schema,
       p.relname::text AS parent, pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS bound,
       coalesce(pg_catalog.pg_get_partkeydef(c.oid), '') AS key,
       pg_catalog.pg_get_userbyid(c.relowner)::text AS owner,
       i.xmin <> a.xmin AS is_attached
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_inherits i ON i.inhrelid = c.oid
  JOIN pg_catalog.pg_class p ON p.oid = i.inhparent
  JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tableoid'
 WHERE c.relispartition AND c.relkind IN ('r', 'p')
   AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '_migration_portal')
 ORDER BY c.oid
