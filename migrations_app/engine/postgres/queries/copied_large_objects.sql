-- Large objects with owner, comment and explicit grants (an empty grantee is PUBLIC).
SELECT m.oid::bigint AS oid,
       pg_catalog.pg_get_userbyid(m.lomowner)::text AS owner,
       pg_catalog.obj_description(m.oid, 'pg_largeobject') AS comment,
       CASE WHEN m.lomacl IS NOT NULL THEN coalesce((
           SELECT json_agg(json_build_array(g.grantee, g.privileges, g.is_grantable))
           FROM (
               SELECT CASE WHEN x.grantee = 0 THEN '' ELSE pg_catalog.pg_get_userbyid(x.grantee)::text END AS grantee,
                      array_agg(x.privilege_type ORDER BY x.privilege_type) AS privileges,
                      x.is_grantable
               FROM pg_catalog.aclexplode(m.lomacl) x
               WHERE x.grantee <> m.lomowner
               GROUP BY 1, 3 ORDER BY 1, 3
           ) g), '[]'::json) END AS grants
FROM pg_catalog.pg_largeobject_metadata m
ORDER BY m.oid
