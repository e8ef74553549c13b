-- How many large objects there are, and which of them this user may not read.
WITH readable AS (
    SELECT m.oid, m.lomowner,
           current_setting('lo_compat_privileges') = 'on' OR pg_has_role(m.lomowner, 'USAGE')
           OR EXISTS (SELECT FROM aclexplode(m.lomacl) a
                       WHERE a.privilege_type = 'SELECT'
                         AND CASE WHEN a.grantee = 0 THEN true ELSE pg_has_role(a.grantee, 'USAGE') END) AS yes
      FROM pg_largeobject_metadata m
)
SELECT count(*)::int8 AS total, count(*) FILTER (WHERE NOT yes)::int8 AS hidden,
       (array_agg(oid::int8 ORDER BY oid) FILTER (WHERE NOT yes))[1:1000] AS first_hidden,
       (array_agg(DISTINCT pg_get_userbyid(lomowner)::text) FILTER (WHERE NOT yes))[1:20] AS owners
  FROM readable
