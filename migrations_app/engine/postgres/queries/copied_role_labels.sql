-- Security labels of roles.
SELECT r.rolname::text AS role, l.provider::text AS provider, l.label::text AS label
FROM pg_catalog.pg_shseclabel l
JOIN pg_catalog.pg_roles r ON r.oid = l.objoid
WHERE l.classoid = 'pg_catalog.pg_authid'::regclass
ORDER BY 1, 2
