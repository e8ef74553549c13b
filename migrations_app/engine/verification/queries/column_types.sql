-- Every type that a column of a user table has, or that is inside such a type: arrays, domains, composites, ranges.
WITH RECURSIVE used(oid) AS (
    SELECT DISTINCT a.atttypid
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm') AND a.attnum > 0 AND NOT a.attisdropped
      AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    UNION
    SELECT member.oid
    FROM used
    JOIN pg_type t ON t.oid = used.oid
    CROSS JOIN LATERAL (
        SELECT t.typbasetype WHERE t.typtype = 'd'
        UNION ALL
        SELECT t.typelem WHERE t.typelem <> 0 AND t.typlen = -1
        UNION ALL
        SELECT a.atttypid FROM pg_attribute a
        WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL
        SELECT r.rngsubtype FROM pg_range r
        WHERE t.oid = r.rngtypid OR t.oid = (to_jsonb(r) ->> 'rngmultitypid')::oid
    ) AS member(oid)
)
SELECT t.oid::bigint,
       n.nspname,
       t.typname,
       CASE WHEN t.typelem <> 0 AND t.typlen = -1 AND t.typtype = 'b' THEN 'a' ELSE t.typtype::text END AS kind,
       sn.nspname AS send_schema,
       s.proname AS send_name,
       (n.nspname = 'pg_catalog' AND t.typname IN ('text', 'varchar', 'json', 'jsonb', 'xml', 'tsvector'))
           OR (t.typelem <> 0 AND t.typlen = -1) AS may_be_long,
       CASE t.typtype
           WHEN 'd' THEN json_build_array(json_build_array('', t.typbasetype::bigint))
           WHEN 'c' THEN (
               SELECT json_agg(json_build_array(a.attname, a.atttypid::bigint) ORDER BY a.attnum)
               FROM pg_attribute a
               WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped)
           WHEN 'r' THEN (
               SELECT json_agg(json_build_array('', r.rngsubtype::bigint)) FROM pg_range r WHERE r.rngtypid = t.oid)
           WHEN 'm' THEN (
               SELECT json_agg(json_build_array('', r.rngsubtype::bigint)) FROM pg_range r
               WHERE (to_jsonb(r) ->> 'rngmultitypid')::oid = t.oid)
           ELSE CASE WHEN t.typelem <> 0 AND t.typlen = -1
                     THEN json_build_array(json_build_array('', t.typelem::bigint)) END
       END AS members
FROM used
JOIN pg_type t ON t.oid = used.oid
JOIN pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_proc s ON s.oid = t.typsend
LEFT JOIN pg_namespace sn ON sn.oid = s.pronamespace
