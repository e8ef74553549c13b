-- The columns of the given tables, as what arrives must fit: name, type, default, and whether a row may come without it.
SELECT n.nspname::text AS schema, c.relname::text AS table, a.attname::text AS name,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
       a.attnotnull AS is_not_null,
       coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), '') AS default,
       coalesce(to_jsonb(a) ->> 'attidentity', '') AS identity,
       coalesce(to_jsonb(a) ->> 'attgenerated', '') AS generated,
       CASE WHEN a.atthasmissing THEN (a.attmissingval::text::text[])[1] END AS missing,
       EXISTS (SELECT FROM pg_catalog.pg_attribute x
                WHERE x.attrelid = c.oid AND x.attnum = a.attnum - 1 AND x.attisdropped) AS follows_dropped
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN unnest(%(schemas)s::text[], %(names)s::text[]) AS t(schema, name) ON t.schema = n.nspname AND t.name = c.relname
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
 WHERE c.relkind IN ('r', 'p')
 ORDER BY 1, 2, a.attnum
