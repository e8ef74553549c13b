-- Triggers that somebody made; a partition's copy of its parent's trigger only where it is switched otherwise.
-- Before 15 such a copy counts as internal, and before 13 it is known by what it depends on.
SELECT 'trigger', n.nspname, c.relname, concat(n.nspname, '.', c.relname, '.', t.tgname),
       jsonb_build_object(
           'definition', pg_get_triggerdef(t.oid),
           'enabled', t.tgenabled,
           'comment', obj_description(t.oid, 'pg_trigger'))
FROM pg_trigger t
JOIN pg_class c ON c.oid = t.tgrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_trigger parent ON parent.oid = t.tgparentid -- [13+]
LEFT JOIN pg_depend d ON d.classid = 'pg_trigger'::regclass AND d.objid = t.oid AND d.refclassid = 'pg_trigger'::regclass -- [<13]
LEFT JOIN pg_trigger parent ON parent.oid = d.refobjid -- [<13]
WHERE (NOT t.tgisinternal OR parent.oid IS NOT NULL)
  AND (parent.oid IS NULL OR parent.tgenabled <> t.tgenabled)
  AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '_migration_portal')
  AND NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
