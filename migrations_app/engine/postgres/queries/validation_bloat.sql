-- Large analyzed tables and an estimate of the bytes that their rows need, from pg_class and pg_stats.
WITH large AS (
    SELECT c.oid, n.nspname, c.relname, c.relpages, c.reltuples,
           coalesce(substring(array_to_string(c.reloptions, ' ') FROM 'fillfactor=([0-9]+)')::int, 100) AS fill
      FROM pg_class c
      JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND c.relpages >= %(pages)s AND c.reltuples > 0
       AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
     ORDER BY c.relpages DESC
     LIMIT 200
), row_width AS (
    SELECT l.oid, sum((1 - s.null_frac) * s.avg_width) AS bytes, count(*) AS seen
      FROM large l
      JOIN pg_stats s ON s.schemaname = l.nspname AND s.tablename = l.relname AND NOT s.inherited
     GROUP BY l.oid
)
SELECT l.nspname::text AS schema, l.relname::text AS name, l.relpages::int8 * 8192 AS bytes,
       -- a line pointer and a header for each row, rounded up to eight bytes, and a header for each page
       ceil(l.reltuples * (4 + 24 + 8 * ceil(w.bytes / 8)) / (8168 * l.fill / 100.0))::int8 * 8192 AS needed_bytes
  FROM large l
  JOIN row_width w ON w.oid = l.oid
 WHERE w.seen = (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = l.oid AND a.attnum > 0 AND NOT a.attisdropped)
 ORDER BY l.relpages DESC
