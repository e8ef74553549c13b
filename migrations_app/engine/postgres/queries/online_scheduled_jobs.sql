-- The active jobs of pg_cron.
SELECT jobid::int8 AS id, schedule, database, username, command FROM cron.job WHERE active ORDER BY jobid
