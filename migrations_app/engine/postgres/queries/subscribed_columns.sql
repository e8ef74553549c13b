-- The columns of the given tables: whether each may travel in its type's binary form, which servers of all versions share.
SELECT n.nspname::text AS schema, c.relname::text AS table, a.attname::text AS name, t.typname::text AS type,
       t.typnamespace = 'pg_catalog'::regnamespace AND ltrim(t.typname, '_') = ANY (ARRAY[
           'bool', 'int2', 'int4', 'int8', 'float4', 'float8', 'numeric', 'text', 'varchar', 'bpchar', 'name', 'bytea',
           'date', 'time', 'timetz', 'timestamp', 'timestamptz', 'interval', 'uuid', 'json', 'jsonb', 'bit', 'varbit',
           'inet', 'cidr', 'macaddr', 'macaddr8']) AS may_be_binary
  FROM unnest(%(schemas)s::text[], %(names)s::text[]) AS w(schema, name)
  JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema
  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.name AND c.relkind IN ('r', 'p')
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
 ORDER BY 1, 2, a.attnum
