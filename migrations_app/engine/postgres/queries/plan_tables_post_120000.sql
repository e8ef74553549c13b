-- Tables whose rows are copied: ordinary tables and partitions, and the configuration tables of extensions.
SELECT c.oid::bigint AS oid,
       n.nspname AS schema,
       c.relname AS name,
       pg_catalog.pg_table_size(c.oid)::bigint AS bytes,
       pg_catalog.pg_relation_size(c.oid, 'main')::bigint AS heap_bytes,
       c.reltuples::bigint AS rows_estimate,
       a.columns,
       a.binary,
       k.key_column,
       coalesce(x.condition, '') AS condition,
       x.oid IS NOT NULL AS is_configuration,
       coalesce(x.extname, '')::text AS extension
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
    SELECT e.oid, e.extname, e.extcondition[i.position] AS condition
    FROM pg_catalog.pg_extension e
    CROSS JOIN LATERAL pg_catalog.generate_subscripts(e.extconfig, 1) AS i(position)
    WHERE e.extconfig[i.position] = c.oid
    LIMIT 1
) x ON true
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(t.attname ORDER BY t.attnum), '{}') AS columns,
           coalesce(bool_and(t.binary), true) AS binary
    FROM (
        SELECT a.attname, a.attnum,
               y.typtype IN ('b', 'e', 'r', 'm')
               AND y.typsend <> 0
               AND y.typname !~ '^_?reg'
               AND (y.typtype = 'e' OR y.oid < 16384) AS binary
        FROM pg_catalog.pg_attribute a
        JOIN pg_catalog.pg_type o ON o.oid = a.atttypid
        JOIN pg_catalog.pg_type y ON y.oid = CASE WHEN o.typtype = 'd' THEN o.typbasetype ELSE o.oid END
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    ) t
) a
LEFT JOIN LATERAL (
    SELECT a.attname AS key_column
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indnatts = 1 AND i.indpred IS NULL
      AND i.indexprs IS NULL AND a.attnotnull
      AND a.atttypid IN ('int2'::pg_catalog.regtype, 'int4'::pg_catalog.regtype, 'int8'::pg_catalog.regtype)
    ORDER BY i.indisprimary DESC
    LIMIT 1
) k ON true
WHERE c.relkind = 'r'
  AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '_migration_portal')
  AND (x.oid IS NOT NULL OR NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend d
        WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e'))
