-- Tables whose replica identity contains generated columns, which a publication leaves out unless told otherwise.
SELECT c.oid::int8 AS oid, n.nspname::text AS schema, c.relname::text AS name, c.relreplident::text AS identity,
       array_agg(a.attname::text ORDER BY a.attnum) AS columns
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated <> ''
 WHERE c.relkind = 'r' AND c.relpersistence = 'p'
   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND CASE c.relreplident
            WHEN 'f' THEN true
            WHEN 'n' THEN false
            ELSE EXISTS (SELECT FROM pg_index i
                          WHERE i.indrelid = c.oid AND i.indimmediate AND i.indisvalid AND a.attnum = ANY (i.indkey)
                            AND CASE c.relreplident WHEN 'd' THEN i.indisprimary ELSE i.indisreplident END) END
 GROUP BY 1, 2, 3, 4
 ORDER BY 2, 3
