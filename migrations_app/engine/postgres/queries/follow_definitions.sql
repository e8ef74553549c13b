-- What makes the definitions of published tables: another row once somebody changed one, also back again.
SELECT n.nspname::text || '.' || c.relname::text AS label,
       c.oid::text || '/' || n.nspname::text || '.' || c.relname::text || '/'
       || pg_catalog.md5(pg_catalog.string_agg(a.attnum::text || ' ' || a.xmin::text, ',' ORDER BY a.attnum)) AS row
  FROM pg_catalog.pg_publication p
  JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid
  JOIN pg_catalog.pg_class c ON c.oid = r.prrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
 WHERE p.pubname = ANY (%(names)s::text[]) AND n.nspname <> '_migration_portal'
 GROUP BY c.oid, n.nspname, c.relname
 ORDER BY 1
