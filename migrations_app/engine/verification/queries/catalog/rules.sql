-- Rules that are not the query of a view.
SELECT 'rule', n.nspname, c.relname, concat(n.nspname, '.', c.relname, '.', r.rulename),
       jsonb_build_object(
           'definition', pg_get_ruledef(r.oid),
           'enabled', r.ev_enabled,
           'comment', obj_description(r.oid, 'pg_rewrite'))
FROM pg_rewrite r
JOIN pg_class c ON c.oid = r.ev_class
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE r.rulename <> '_RETURN'
  AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '_migration_portal')
  AND NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
