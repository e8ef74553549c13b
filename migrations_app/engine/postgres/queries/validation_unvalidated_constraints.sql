-- Constraints that were added NOT VALID: rows from before were never checked.
SELECT n.nspname::text AS schema, c.relname::text AS table, k.conname::text AS name
  FROM pg_constraint k
  JOIN pg_class c ON c.oid = k.conrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE NOT k.convalidated AND k.contype IN ('c', 'f', 'n') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND coalesce((to_jsonb(k) ->> 'conenforced')::bool, true)
 ORDER BY 1, 2, 3
