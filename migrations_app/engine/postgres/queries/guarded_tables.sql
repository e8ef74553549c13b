-- Triggers, foreign keys and check constraints with their tables, without what partitions inherit.
SELECT 'TRIGGER' AS type, n.nspname AS schema, c.relname AS table, t.tgname AS name
FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE NOT t.tgisinternal
  AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend d
        WHERE d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND d.objid = t.oid
          AND d.refclassid = 'pg_catalog.pg_trigger'::pg_catalog.regclass)
UNION ALL
SELECT CASE k.contype WHEN 'f' THEN 'FK CONSTRAINT' ELSE 'CHECK CONSTRAINT' END, n.nspname, c.relname, k.conname
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE k.contype IN ('f', 'c') AND k.coninhcount = 0
