-- Row security policies.
SELECT 'policy', n.nspname, c.relname, concat(n.nspname, '.', c.relname, '.', p.polname),
       jsonb_build_object(
           'command', p.polcmd, 'permissive', p.polpermissive,
           'roles', (SELECT array_agg(CASE WHEN r = 0 THEN '(public)' ELSE pg_get_userbyid(r)::text END
                                    ORDER BY pg_get_userbyid(r)::text COLLATE "C")
                     FROM unnest(p.polroles) r),
           'using', pg_get_expr(p.polqual, p.polrelid), 'check', pg_get_expr(p.polwithcheck, p.polrelid),
           'comment', obj_description(p.oid, 'pg_policy'))
FROM pg_policy p
JOIN pg_class c ON c.oid = p.polrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '_migration_portal')
  AND NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
