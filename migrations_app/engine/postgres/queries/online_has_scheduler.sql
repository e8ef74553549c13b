-- Whether the extension pg_cron is in the current database.
SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron') AS installed
