-- The privileges on a database in the order in which they are stored; an empty grantee is PUBLIC.
SELECT CASE WHEN x.grantee = 0 THEN '' ELSE pg_catalog.pg_get_userbyid(x.grantee)::text END AS grantee,
       pg_catalog.pg_get_userbyid(x.grantor)::text AS grantor,
       x.privilege_type::text AS privilege, x.is_grantable
  FROM pg_catalog.pg_database d
 CROSS JOIN LATERAL unnest(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) WITH ORDINALITY AS a(item, number)
 CROSS JOIN LATERAL pg_catalog.aclexplode(ARRAY[a.item]) x
 WHERE d.datname = %(name)s
 ORDER BY a.number, x.privilege_type
