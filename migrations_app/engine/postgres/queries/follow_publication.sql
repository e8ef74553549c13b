-- The rows of the catalog that make some publications: they are others once somebody changed one, also back again.
SELECT p.pubname::text AS label, p.oid::text || '/' || p.xmin::text AS row
  FROM pg_catalog.pg_publication p
 WHERE p.pubname = ANY (%(names)s::text[])
UNION ALL
SELECT n.nspname::text || '.' || c.relname::text, r.oid::text || '/' || r.xmin::text
  FROM pg_catalog.pg_publication p
  JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid
  JOIN pg_catalog.pg_class c ON c.oid = r.prrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE p.pubname = ANY (%(names)s::text[])
 ORDER BY 1, 2
