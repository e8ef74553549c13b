-- For each of the given tables the best index that could be its replica identity: the primary key, else the narrowest.
SELECT DISTINCT ON (i.indrelid) i.indrelid::int8 AS table_oid, x.relname::text AS index, i.indisprimary AS is_primary_key
  FROM pg_index i
  JOIN pg_class x ON x.oid = i.indexrelid
 WHERE i.indrelid = ANY (%(tables)s::oid[])
   AND i.indisunique AND i.indisvalid AND i.indisready AND i.indislive AND i.indimmediate
   AND i.indpred IS NULL AND i.indexprs IS NULL
   AND NOT EXISTS (SELECT FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, position)
                     JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
                    WHERE k.position <= i.indnkeyatts AND (NOT a.attnotnull OR a.attgenerated <> ''))
 ORDER BY i.indrelid, i.indisprimary DESC, i.indnkeyatts, x.relname
