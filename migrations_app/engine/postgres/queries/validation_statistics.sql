-- Tables of some size whose statistics are missing, or older than half of their rows.
WITH ours AS (
    SELECT c.oid, n.nspname, c.relname, c.relpages, c.reltuples
      FROM pg_class c
      JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
       AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
       -- the size of a table that is locked exclusively could only be had by waiting
       AND c.oid NOT IN (SELECT relation FROM pg_locks WHERE relation IS NOT NULL AND mode = 'AccessExclusiveLock')
    OFFSET 0
)
SELECT nspname::text AS schema, relname::text AS name, pg_relation_size(oid)::int8 AS bytes, relpages = 0 AS missing
  FROM ours
 WHERE CASE WHEN relpages = 0 THEN pg_relation_size(oid) >= %(pages)s * 8192::int8
            ELSE relpages >= %(pages)s
                 AND pg_stat_get_mod_since_analyze(oid) > greatest(reltuples, 1) * 0.5 END
 ORDER BY 3 DESC, 1, 2
