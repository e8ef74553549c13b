-- Blocks of every user table of the database.
SELECT n.nspname, c.relname, pg_relation_size(c.oid) / current_setting('block_size')::bigint AS blocks
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
