-- Tables of some size whose statistics are missing, or older than half of their rows.
SELECT n.nspname::text AS schema, c.relname::text AS name, pg_relation_size(c.oid)::int8 AS bytes,
       c.relpages = 0 AS missing
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND CASE WHEN c.relpages = 0 THEN pg_relation_size(c.oid) >= %(pages)s * 8192::int8
            ELSE c.relpages >= %(pages)s
                 AND pg_stat_get_mod_since_analyze(c.oid) > greatest(c.reltuples, 1) * 0.5 END
 ORDER BY 3 DESC, 1, 2
