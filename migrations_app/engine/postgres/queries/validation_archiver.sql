-- The archiver's last failure, if nothing was archived since.
SELECT failed_count::int8 AS failures, last_failed_wal::text AS wal, last_failed_time::text AS failed_at
  FROM pg_stat_archiver
 WHERE last_failed_time IS NOT NULL AND last_failed_time > coalesce(last_archived_time, '-infinity')
