-- The active jobs of pg_cron that this user may see.
SELECT jobid::int8 AS id, schedule, command, database, username FROM cron.job WHERE active ORDER BY jobid
