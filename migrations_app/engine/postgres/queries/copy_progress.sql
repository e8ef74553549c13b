-- Rows and bytes of the COPY that each of our sessions runs.
SELECT a.application_name, p.tuples_processed, p.bytes_processed
FROM pg_catalog.pg_stat_progress_copy p
JOIN pg_catalog.pg_stat_activity a USING (pid)
WHERE left(a.application_name, length(%(prefix)s)) = %(prefix)s
