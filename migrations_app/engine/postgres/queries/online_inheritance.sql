-- Tables that inherit from another one and are no partitions, by parent.
SELECT n.nspname::text AS schema, p.relname::text AS name, count(*)::int8 AS children
  FROM pg_inherits i
  JOIN pg_class p ON p.oid = i.inhparent
  JOIN pg_namespace n ON n.oid = p.relnamespace
  JOIN pg_class c ON c.oid = i.inhrelid
 WHERE p.relkind = 'r' AND c.relkind = 'r' AND NOT c.relispartition
   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
 GROUP BY 1, 2
 ORDER BY 1, 2
