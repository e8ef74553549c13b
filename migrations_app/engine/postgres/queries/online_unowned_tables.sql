-- Owners of tables whose rights the current user does not have: it may not publish what belongs to them.
SELECT pg_get_userbyid(c.relowner)::text AS owner, r.rolsuper AS is_superuser,
       pg_has_role(c.relowner, 'MEMBER') AS is_member, array_agg(c.oid::int8 ORDER BY c.oid) AS tables
  FROM pg_class c
  JOIN pg_roles r ON r.oid = c.relowner
 WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND NOT pg_has_role(c.relowner, 'USAGE')
 GROUP BY c.relowner, r.rolsuper
 ORDER BY 1
