-- Triggers that somebody made; a partition's copy of its parent's trigger only where it is switched otherwise.
SELECT 'trigger', n.nspname, c.relname, concat(n.nspname, '.', c.relname, '.', t.tgname),
       jsonb_build_object(
           'definition', pg_get_triggerdef(t.oid),
           'enabled', t.tgenabled,
           'comment', obj_description(t.oid, 'pg_trigger'))
FROM pg_trigger t
JOIN pg_class c ON c.oid = t.tgrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_trigger parent ON parent.oid = t.tgparentid -- [13+]
WHERE NOT t.tgisinternal
  AND (parent.oid IS NULL OR parent.tgenabled <> t.tgenabled) -- [13+]
  AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '_migration_portal')
  AND NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
