-- Schemas.
SELECT 'schema' AS class, n.nspname AS schema, NULL::text AS relation, n.nspname::text AS name,
       jsonb_build_object(
           'owner', pg_get_userbyid(n.nspowner),
           'grants', coalesce(n.nspacl, acldefault('n', n.nspowner))::text[],
           'comment', obj_description(n.oid, 'pg_namespace'))
FROM pg_namespace n
WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '_migration_portal')
  AND NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = 'pg_namespace'::regclass AND e.objid = n.oid AND e.deptype = 'e')
