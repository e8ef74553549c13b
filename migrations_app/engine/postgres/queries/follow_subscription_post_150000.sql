-- One subscription of this database: its number, its worker, what that has received, and its errors since the reset.
SELECT s.subid::int8 AS oid, s.pid IS NOT NULL AS is_working,
       coalesce(s.received_lsn - '0/0', 0)::int8 AS received_lsn,
       coalesce(t.apply_error_count, 0)::int8 AS errors
  FROM pg_catalog.pg_stat_subscription s
  LEFT JOIN pg_catalog.pg_stat_subscription_stats t ON t.subid = s.subid
 WHERE s.subname = %(name)s AND s.relid IS NULL
 ORDER BY s.pid NULLS LAST
 LIMIT 1
