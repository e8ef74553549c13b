-- Columns whose type names catalog objects, or was removed in PostgreSQL 12.
SELECT n.nspname::text AS schema, c.relname::text AS table, a.attname::text AS column, t.typname::text AS type,
       c.relkind::text AS kind
  FROM pg_attribute a
  JOIN pg_class c ON c.oid = a.attrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_type d ON d.oid = a.atttypid
  JOIN pg_type t ON t.oid = CASE d.typtype WHEN 'd' THEN d.typbasetype ELSE d.oid END
 WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'm', 'v', 'c') AND c.relpersistence <> 't'
   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND t.typnamespace = 'pg_catalog'::regnamespace
   AND t.typname IN ('abstime', 'reltime', 'tinterval', '_abstime', '_reltime', '_tinterval', 'regproc', 'regprocedure',
                     'regoper', 'regoperator', 'regclass', 'regtype', 'regrole', 'regnamespace', 'regconfig',
                     'regdictionary', 'regcollation', '_regproc', '_regprocedure', '_regoper', '_regoperator',
                     '_regclass', '_regtype', '_regrole', '_regnamespace', '_regconfig', '_regdictionary',
                     '_regcollation')
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
 ORDER BY 1, 2, a.attnum
