-- One subscription of this database: its number, its worker and what that has received; errors are counted since 15.
SELECT s.subid::int8 AS oid, s.pid IS NOT NULL AS is_working,
       coalesce(s.received_lsn - '0/0', 0)::int8 AS received_lsn, 0::int8 AS errors
  FROM pg_catalog.pg_stat_subscription s
 WHERE s.subname = %(name)s AND s.relid IS NULL
 ORDER BY s.pid NULLS LAST
 LIMIT 1
