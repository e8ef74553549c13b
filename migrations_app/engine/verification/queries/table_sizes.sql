-- Blocks of every user table of the database: of its rows, and with TOAST.
SELECT n.nspname, c.relname, pg_relation_size(c.oid) / current_setting('block_size')::bigint,
       pg_table_size(c.oid) / current_setting('block_size')::bigint
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
