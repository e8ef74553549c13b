-- Security labels of objects of this database, of itself, and of roles.
SELECT 'security label', n.nspname, NULL::text, concat(l.objtype, ' ', l.objname, ' by ', l.provider),
       jsonb_build_object('label', l.label)
FROM pg_seclabels l
LEFT JOIN pg_namespace n ON n.oid = l.objnamespace
WHERE l.objtype NOT IN ('role', 'tablespace', 'database', 'subscription')
UNION ALL
SELECT 'security label of the database', NULL::text, NULL::text, concat('by ', l.provider),
       jsonb_build_object('label', l.label)
FROM pg_shseclabel l
JOIN pg_database d ON d.oid = l.objoid AND l.classoid = 'pg_database'::regclass
WHERE d.datname = current_database()
UNION ALL
SELECT 'security label of a role', NULL::text, NULL::text, concat(r.rolname, ' by ', l.provider),
       jsonb_build_object('label', l.label)
FROM pg_shseclabel l
JOIN pg_roles r ON r.oid = l.objoid AND l.classoid = 'pg_authid'::regclass
