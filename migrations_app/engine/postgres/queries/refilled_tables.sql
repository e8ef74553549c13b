-- What stands in the way of filling a table anew: its own triggers that would fire, and row security that is forced.
SELECT n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind,
       c.relrowsecurity AND c.relforcerowsecurity AS is_forced,
       ARRAY(SELECT ARRAY[t.tgname::text, t.tgenabled::text] FROM pg_catalog.pg_trigger t
              WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D' ORDER BY 1) AS triggers,
       ARRAY(SELECT ARRAY[rn.nspname::text, r.relname::text] FROM pg_catalog.pg_constraint f
               JOIN pg_catalog.pg_class r ON r.oid = f.confrelid
               JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace
              WHERE f.conrelid = c.oid AND f.contype = 'f' ORDER BY 1) AS referenced
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN unnest(%(schemas)s::text[], %(names)s::text[]) AS t(schema, name) ON t.schema = n.nspname AND t.name = c.relname
 ORDER BY 1, 2
