-- In which database pg_cron keeps its jobs; null where its library is not loaded.
SELECT current_setting('cron.database_name', true) AS database
