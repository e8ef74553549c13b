-- Indexes of people in the current database that are not valid.
SELECT n.nspname::text AS schema, t.relname::text AS table, c.relname::text AS index
  FROM pg_index i
  JOIN pg_class c ON c.oid = i.indexrelid
  JOIN pg_class t ON t.oid = i.indrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE NOT i.indisvalid AND t.relkind <> 'p' AND n.nspname !~ '^pg_'
 ORDER BY 1, 2, 3
