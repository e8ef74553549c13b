-- What a database holds: tables of people, and its size.
SELECT count(*)::int8 AS tables, pg_database_size(current_database())::int8 AS bytes,
       (array_agg(format('%%I.%%I', n.nspname, c.relname) ORDER BY c.relpages DESC, n.nspname, c.relname))[1:5] AS largest
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '_migration_portal')
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
