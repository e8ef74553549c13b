-- The database that keeps the jobs of pg_cron, as far as the server tells, and whether the current one has pg_cron.
SELECT coalesce(nullif(current_setting('cron.database_name', true), ''), current_database()) AS database,
       EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron') AS installed
