-- Settings of the server that slow a migration down, make it wait or endanger what it writes; memory and WAL in bytes.
SELECT name::text AS name,
       CASE unit WHEN 'kB' THEN (setting::int8 * 1024)::text WHEN 'MB' THEN (setting::int8 * 1024 * 1024)::text
                 WHEN '8kB' THEN (setting::int8 * 8192)::text ELSE setting END AS value
  FROM pg_settings
 WHERE name IN ('archive_mode', 'autovacuum', 'fsync', 'full_page_writes', 'maintenance_work_mem', 'max_wal_size',
                'shared_buffers', 'synchronous_commit', 'synchronous_standby_names', 'track_counts')
