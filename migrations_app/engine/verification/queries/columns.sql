-- The columns of user tables in their order, generated ones included; one table when both parameters are given.
SELECT n.nspname, c.relname, a.attname, a.atttypid::bigint
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm') AND a.attnum > 0 AND NOT a.attisdropped
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND (%(schema)s::text IS NULL OR n.nspname = %(schema)s::text)
  AND (%(table)s::text IS NULL OR c.relname = %(table)s::text)
ORDER BY 1, 2, a.attnum
