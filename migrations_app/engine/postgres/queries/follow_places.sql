-- Where the tables of the given OIDs are now: a table keeps its OID when it is renamed.
SELECT c.oid::int8 AS oid, n.nspname::text AS schema, c.relname::text AS name
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid = ANY (%(oids)s::int8[]::oid[]) AND c.relkind IN ('r', 'p')
