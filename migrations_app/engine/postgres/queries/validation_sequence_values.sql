-- Of these sequences those that have used a share of their numbers, or of the numbers of the column that they feed.
WITH value AS (
    SELECT s.seqrelid, s.seqtypid, s.seqmin, s.seqmax, s.seqincrement, pg_sequence_last_value(s.seqrelid) AS last
      FROM pg_sequence s
     WHERE s.seqrelid = ANY (%(oids)s::oid[])
), fed AS (
    -- sequence by sequence, by the indexes: a join would read the whole catalog again for every batch of sequences
    SELECT v.*, d.*
      FROM value v
      LEFT JOIN LATERAL (
          SELECT d.refobjid AS table_id, a.attname, a.atttypid,
                 CASE a.atttypid WHEN 'int2'::regtype THEN 32767 WHEN 'int4'::regtype THEN 2147483647 END AS type_max
            FROM pg_depend d
            LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
           WHERE d.classid = 'pg_class'::regclass AND d.objid = v.seqrelid AND d.deptype IN ('a', 'i')
             AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
          OFFSET 0
      ) AS d ON true
     WHERE v.last IS NOT NULL
)
SELECT s.nspname::text AS schema, s.relname::text AS name, format_type(f.seqtypid, NULL) AS type, f.last::int8 AS last,
       CASE WHEN f.seqincrement > 0 THEN f.seqmax ELSE f.seqmin END::int8 AS bound,
       t.nspname::text AS table_schema, t.relname::text AS table_name, f.attname::text AS column_name,
       CASE WHEN f.type_max IS NOT NULL THEN format_type(f.atttypid, NULL) END AS column_type,
       f.type_max::int8 AS column_max,
       CASE WHEN f.seqincrement > 0 THEN (f.last::numeric - f.seqmin + 1) / (f.seqmax::numeric - f.seqmin + 1)
            ELSE (f.seqmax::numeric - f.last + 1) / (f.seqmax::numeric - f.seqmin + 1) END::float8 AS used,
       (abs(f.last::numeric) / f.type_max)::float8 AS column_used
  FROM fed f
  JOIN LATERAL (
      SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE c.oid = f.seqrelid
      OFFSET 0
  ) AS s ON true
  LEFT JOIN LATERAL (
      SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE c.oid = f.table_id
      OFFSET 0
  ) AS t ON true
 WHERE CASE WHEN f.seqincrement > 0 THEN (f.last::numeric - f.seqmin + 1) ELSE (f.seqmax::numeric - f.last + 1) END
         > %(share)s::numeric * (f.seqmax::numeric - f.seqmin + 1)
    OR abs(f.last::numeric) > %(share)s::numeric * f.type_max
 ORDER BY 1, 2
