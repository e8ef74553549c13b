-- Settings of roles (everywhere, or in one database) and of databases; an empty name means all.
SELECT coalesce(d.datname, '')::text AS database, coalesce(r.rolname, '')::text AS role, setting
FROM pg_catalog.pg_db_role_setting s
LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
CROSS JOIN LATERAL unnest(s.setconfig) AS setting
ORDER BY 1, 2, 3
