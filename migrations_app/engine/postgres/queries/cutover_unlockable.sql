-- Which of the given tables our user may not lock against writers.
SELECT n.nspname::text AS schema, c.relname::text AS name
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN unnest(%(schemas)s::text[], %(names)s::text[]) AS t(schema, name) ON t.schema = n.nspname AND t.name = c.relname
 WHERE NOT has_table_privilege(c.oid, 'UPDATE, DELETE, TRUNCATE')
 ORDER BY 1, 2
