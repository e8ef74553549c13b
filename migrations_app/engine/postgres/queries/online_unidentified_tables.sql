-- Permanent tables of people without an index that can name a changed row to a subscriber, and none is FULL.
SELECT c.oid::int8 AS oid, n.nspname::text AS schema, c.relname::text AS name, c.relreplident::text AS identity,
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary) AS has_primary_key,
       pg_stat_get_tuples_updated(c.oid) + pg_stat_get_tuples_deleted(c.oid) AS changes
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND c.relreplident <> 'f'
   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_index i
                    WHERE i.indrelid = c.oid AND i.indisvalid AND i.indimmediate
                      AND CASE c.relreplident WHEN 'd' THEN i.indisprimary
                                              WHEN 'i' THEN i.indisreplident
                                              ELSE false END)
 ORDER BY 2, 3
