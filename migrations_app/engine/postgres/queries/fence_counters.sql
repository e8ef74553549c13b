-- How many rows were written to each of the given tables since its statistics began, and the file it is in.
SELECT n.nspname::text AS schema, c.relname::text AS name,
       pg_catalog.pg_stat_get_tuples_inserted(c.oid) + pg_catalog.pg_stat_get_tuples_updated(c.oid)
       + pg_catalog.pg_stat_get_tuples_deleted(c.oid) AS changes,
       pg_catalog.pg_relation_filenode(c.oid)::int8 AS file
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN unnest(%(schemas)s::text[], %(names)s::text[]) AS t(schema, name) ON t.schema = n.nspname AND t.name = c.relname
 ORDER BY 1, 2
