-- Enabled subscriptions of the current database: others than people write into it.
SELECT s.subname::text AS name
  FROM pg_catalog.pg_subscription s
  JOIN pg_catalog.pg_database d ON d.oid = s.subdbid
 WHERE d.datname = current_database() AND s.subenabled
 ORDER BY 1
