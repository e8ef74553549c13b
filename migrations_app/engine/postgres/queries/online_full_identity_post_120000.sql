-- Tables with REPLICA IDENTITY FULL, their size in rows, and their columns whose type has no equality to find a row by.
WITH RECURSIVE equal AS (
    SELECT o.opcintype AS type FROM pg_opclass o JOIN pg_am m ON m.oid = o.opcmethod
     WHERE o.opcdefault AND m.amname IN ('btree', 'hash')
), comparable AS (
    SELECT type FROM equal
    UNION
    SELECT castsource FROM pg_cast WHERE castmethod = 'b' AND castcontext = 'i' AND casttarget IN (SELECT type FROM equal)
), parts AS (
    -- a type, what a domain or array is of, and the columns of a composite type
    SELECT DISTINCT a.atttypid AS whole, a.atttypid AS type
      FROM pg_class c
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
     WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND c.relreplident = 'f'
    UNION
    SELECT p.whole, s.type
      FROM parts p
      JOIN pg_type t ON t.oid = p.type
      CROSS JOIN LATERAL (
          SELECT t.typbasetype WHERE t.typtype = 'd'
          UNION ALL
          SELECT t.typelem WHERE t.typtype = 'b' AND t.typelem <> 0 AND t.typlen = -1
          UNION ALL
          SELECT b.atttypid FROM pg_attribute b
           WHERE t.typtype = 'c' AND b.attrelid = t.typrelid AND b.attnum > 0 AND NOT b.attisdropped
      ) AS s (type)
), hard AS (
    SELECT p.whole
      FROM parts p
      JOIN pg_type t ON t.oid = p.type
     WHERE t.typtype = 'b' AND NOT (t.typelem <> 0 AND t.typlen = -1) AND t.oid NOT IN (SELECT type FROM comparable)
)
SELECT c.oid::int8 AS oid, n.nspname::text AS schema, c.relname::text AS name,
       CASE WHEN c.reltuples > 0 THEN c.reltuples::int8 ELSE pg_stat_get_live_tuples(c.oid) END AS rows_estimate,
       pg_stat_get_tuples_updated(c.oid) + pg_stat_get_tuples_deleted(c.oid) AS changes,
       -- table by table: the planner cannot foresee how many there are, and may join each with each
       ARRAY(SELECT format('%%s (%%s)', a.attname, format_type(a.atttypid, NULL))
               FROM pg_attribute a
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
                AND a.atttypid = ANY (ARRAY(SELECT whole FROM hard))
              ORDER BY a.attnum) AS without_equality
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND c.relreplident = 'f'
   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
 ORDER BY 2, 3
