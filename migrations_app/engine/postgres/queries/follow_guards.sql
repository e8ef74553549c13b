-- What would act on applied rows: triggers and rules that fire then, and row security that holds for owners as well.
SELECT 'trigger' AS kind, n.nspname::text AS schema, c.relname::text AS table, t.tgname::text AS name,
       t.tgenabled::text AS state
  FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE NOT t.tgisinternal AND t.tgenabled = ANY (%(states)s) AND c.relkind IN ('r', 'p')
   AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '_migration_portal')
UNION ALL
SELECT 'rule', n.nspname::text, c.relname::text, r.rulename::text, r.ev_enabled::text
  FROM pg_catalog.pg_rewrite r
  JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE r.rulename <> '_RETURN' AND r.ev_enabled = ANY (%(states)s) AND c.relkind IN ('r', 'p')
   AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '_migration_portal')
UNION ALL
SELECT 'row security', n.nspname::text, c.relname::text, '', 'F'
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relforcerowsecurity AND c.relkind IN ('r', 'p')
   AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '_migration_portal')
 ORDER BY 1, 2, 3, 4
