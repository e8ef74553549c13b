-- Extended statistics objects.
SELECT 'statistics', n.nspname, c.relname, concat(n.nspname, '.', s.stxname),
       jsonb_build_object(
           'definition', pg_get_statisticsobjdef(s.oid),
           'statistics target', nullif(s.stxstattarget, -1), -- [13+]
           'owner', pg_get_userbyid(s.stxowner), 'comment', obj_description(s.oid, 'pg_statistic_ext'))
FROM pg_statistic_ext s
JOIN pg_namespace n ON n.oid = s.stxnamespace
JOIN pg_class c ON c.oid = s.stxrelid
WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '_migration_portal')
  AND NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = 'pg_statistic_ext'::regclass AND e.objid = s.oid AND e.deptype = 'e')
