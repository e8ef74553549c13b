-- Every user sequence: its definition, the column that owns it, whether that column holds numbers, and who uses it.
SELECT n.nspname,
       c.relname,
       format_type(s.seqtypid, NULL) AS data_type,
       s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle,
       tn.nspname AS owner_schema,
       t.relname AS owner_table,
       a.attname AS owner_column,
       coalesce(a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype), false),
       (SELECT coalesce(array_agg(DISTINCT ARRAY[un.nspname::text, u.relname::text]), '{}')
        FROM pg_depend x
        LEFT JOIN pg_attrdef f ON x.classid = 'pg_attrdef'::regclass AND f.oid = x.objid
        LEFT JOIN pg_rewrite w ON x.classid = 'pg_rewrite'::regclass AND w.oid = x.objid
        JOIN pg_class u ON u.oid = coalesce(f.adrelid, w.ev_class)
        JOIN pg_namespace un ON un.oid = u.relnamespace
        WHERE x.refclassid = 'pg_class'::regclass AND x.refobjid = c.oid) AS users
FROM pg_sequence s
JOIN pg_class c ON c.oid = s.seqrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0
    AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
LEFT JOIN pg_class t ON t.oid = d.refobjid
LEFT JOIN pg_namespace tn ON tn.oid = t.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '_migration_portal')
  AND NOT EXISTS (
      SELECT FROM pg_depend e
      WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
ORDER BY 1, 2
