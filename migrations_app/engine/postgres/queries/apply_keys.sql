-- The unique indexes by which a row of a table can be found, the primary key first, with the operator of each column.
SELECT array_agg(a.attname::text ORDER BY k.position) AS columns,
       array_agg(o.nspname::text ORDER BY k.position) AS operator_schemas,
       array_agg(o.oprname::text ORDER BY k.position) AS operator_names
  FROM pg_index i
 CROSS JOIN LATERAL generate_series(0, array_upper(i.indclass::oid[], 1)) AS k (position)
  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k.position]
  JOIN pg_opclass c ON c.oid = i.indclass[k.position]
  LEFT JOIN LATERAL (
      SELECT n.nspname, p.oprname
        FROM pg_amop m
        JOIN pg_operator p ON p.oid = m.amopopr
        JOIN pg_namespace n ON n.oid = p.oprnamespace
       WHERE m.amopfamily = c.opcfamily AND m.amopstrategy = 3
         AND m.amoplefttype = c.opcintype AND m.amoprighttype = c.opcintype
  ) AS o ON true
 WHERE i.indrelid = %(oid)s::int8::oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
 GROUP BY i.indexrelid, i.indisprimary
HAVING bool_and(a.attnotnull) AND bool_and(o.oprname IS NOT NULL)
 ORDER BY i.indisprimary DESC, count(*), i.indexrelid
