-- Sequences that belong to a column, with its table, and the tables and views whose defaults and queries use them.
SELECT n.nspname, c.relname, o.relname,
       (SELECT coalesce(array_agg(DISTINCT ARRAY[un.nspname::text, u.relname::text]), '{}')
        FROM pg_catalog.pg_depend x
        LEFT JOIN pg_catalog.pg_attrdef f ON x.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND f.oid = x.objid
        LEFT JOIN pg_catalog.pg_rewrite w ON x.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND w.oid = x.objid
        JOIN pg_catalog.pg_class u ON u.oid = coalesce(f.adrelid, w.ev_class)
        JOIN pg_catalog.pg_namespace un ON un.oid = u.relnamespace
        WHERE x.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND x.refobjid = c.oid) AS users
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_depend d
  ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.objsubid = 0
 AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
JOIN pg_catalog.pg_class o ON o.oid = d.refobjid
WHERE c.relkind = 'S'
