-- Rights to read and change rows that owners have taken from themselves on their tables, and the grants as they are.
SELECT 'withheld right' AS kind, n.nspname::text AS schema, c.relname::text AS table,
       pg_catalog.pg_get_userbyid(c.relowner)::text AS name,
       pg_catalog.jsonb_build_object('rights', withheld.rights, 'grants', c.relacl::text[])::text AS state
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 CROSS JOIN LATERAL (
       SELECT pg_catalog.array_agg(r.name) AS rights
         FROM pg_catalog.unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS r (name)
        WHERE NOT EXISTS (SELECT FROM pg_catalog.aclexplode(c.relacl) AS x
                           WHERE x.grantee = c.relowner AND x.privilege_type = r.name)) AS withheld
 WHERE c.relacl IS NOT NULL AND c.relkind IN ('r', 'p') AND withheld.rights IS NOT NULL
   AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '_migration_portal')
 ORDER BY 2, 3
