-- Security labels of objects of this database.
SELECT 'security label', n.nspname, NULL::text, concat(l.objtype, ' ', l.objname, ' by ', l.provider),
       jsonb_build_object('label', l.label)
FROM pg_seclabels l
LEFT JOIN pg_namespace n ON n.oid = l.objnamespace
WHERE l.objtype NOT IN ('role', 'tablespace', 'database', 'subscription')
