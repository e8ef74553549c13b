-- Tables among those named whose owner our user may not act as.
SELECT pg_catalog.format('%%I.%%I', n.nspname, c.relname) AS "table", pg_catalog.pg_get_userbyid(c.relowner) AS owner
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN ROWS FROM (pg_catalog.unnest(%(schemas)s::name[]), pg_catalog.unnest(%(names)s::name[])) AS w (schema, name)
    ON w.schema = n.nspname AND w.name = c.relname
WHERE NOT pg_catalog.pg_has_role(current_user, c.relowner, 'MEMBER')
ORDER BY 1
