-- Triggers that people put on tables that belong to an extension.
SELECT n.nspname::text AS schema, c.relname::text AS table, t.tgname::text AS trigger, x.extname::text AS extension,
       pg_get_triggerdef(t.oid) AS definition
  FROM pg_trigger t
  JOIN pg_class c ON c.oid = t.tgrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_depend e ON e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e'
                  AND e.refclassid = 'pg_extension'::regclass
  JOIN pg_extension x ON x.oid = e.refobjid
 WHERE NOT t.tgisinternal
   AND NOT EXISTS (SELECT FROM pg_depend f
                    WHERE f.classid = 'pg_proc'::regclass AND f.objid = t.tgfoid AND f.deptype = 'e')
 ORDER BY 1, 2, 3
