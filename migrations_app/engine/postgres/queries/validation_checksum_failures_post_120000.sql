-- Databases of this server in which pages with a wrong checksum were read.
SELECT coalesce(datname::text, 'the shared catalogs') AS database, checksum_failures::int8 AS failures,
       checksum_last_failure::text AS last_at
  FROM pg_stat_database
 WHERE checksum_failures > 0
 ORDER BY 2 DESC, 1
