-- How many tables the current database holds, and its extensions.
SELECT (SELECT count(*)::int FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_'
           AND n.nspname NOT IN ('information_schema', '_migration_portal')
           AND NOT EXISTS (SELECT FROM pg_depend x
                            WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.deptype = 'e')) AS table_count,
       ARRAY(SELECT extname || ' ' || extversion FROM pg_extension ORDER BY 1) AS extensions
