-- Grants on objects of pg_catalog that were added since the server was made: pg_dump writes them into the dump.
WITH object AS (
    SELECT c.oid, 'pg_class'::regclass AS class, c.relname::text AS name, c.relacl AS acl, 'TABLE' AS kind
      FROM pg_class c
     WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relacl IS NOT NULL AND c.relkind IN ('r', 'v')
    UNION ALL
    SELECT p.oid, 'pg_proc'::regclass, p.oid::regprocedure::text, p.proacl, 'FUNCTION'
      FROM pg_proc p
     WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proacl IS NOT NULL
)
SELECT o.kind, o.name, coalesce(r.rolname::text, 'PUBLIC') AS grantee, x.privilege_type AS privilege
  FROM object o
  LEFT JOIN pg_init_privs i ON i.objoid = o.oid AND i.classoid = o.class AND i.objsubid = 0
  CROSS JOIN LATERAL aclexplode(o.acl) x
  LEFT JOIN pg_roles r ON r.oid = x.grantee
 WHERE x.grantee <> x.grantor
   AND NOT EXISTS (SELECT FROM aclexplode(i.initprivs) b
                    WHERE b.grantee = x.grantee AND b.privilege_type = x.privilege_type)
   AND (i.objoid IS NOT NULL OR o.kind = 'TABLE' OR x.grantee <> 0)
   AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = o.class AND e.objid = o.oid AND e.deptype = 'e')
 ORDER BY 1, 2, 3, 4
