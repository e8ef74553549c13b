-- Tables and partitioned tables, with what is sent of the old row of a change: the identity and its key columns.
SELECT c.oid::int8 AS oid, n.nspname::text AS schema, c.relname::text AS name,
       c.relpersistence = 'u' AS is_unlogged, c.relreplident::text AS letter,
       coalesce(k.columns, '{}') AS key_columns,
       pg_catalog.pg_has_role(c.relowner, 'USAGE') AS is_ours,
       EXISTS (SELECT FROM pg_catalog.pg_attribute a
                 JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                  AND t.oid IN ('json'::pg_catalog.regtype, 'xml'::pg_catalog.regtype, 'point'::pg_catalog.regtype,
                                'json[]'::pg_catalog.regtype, 'xml[]'::pg_catalog.regtype,
                                'point[]'::pg_catalog.regtype)) AS has_incomparable
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN LATERAL (
      SELECT array_agg(a.attname::text ORDER BY x.position) AS columns
        FROM pg_catalog.pg_index i
       CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS x(attnum, position)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = x.attnum
       WHERE i.indrelid = c.oid AND i.indisvalid AND i.indimmediate
         AND x.position <= coalesce((to_jsonb(i) ->> 'indnkeyatts')::int, i.indnatts)
         AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END
  ) k ON true
 WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
   AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '_migration_portal')
