-- Transactions that wrote something and are still open, in any database: a logical slot waits for the end of each.
SELECT DISTINCT ON (l.pid) l.pid, a.usename::text AS user, a.datname::text AS database,
       coalesce(host(a.client_addr), CASE WHEN a.xact_start IS NOT NULL THEN 'the server itself' END) AS address,
       a.application_name AS application, a.state,
       a.xact_start::timestamptz(0)::text AS since,
       extract(epoch FROM clock_timestamp() - a.xact_start)::int8 AS age_seconds,
       left(a.query, 200) AS query
  FROM pg_locks l
  LEFT JOIN pg_stat_activity a ON a.pid = l.pid
 WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted
   AND l.pid IS NOT NULL AND l.pid <> pg_backend_pid()
 ORDER BY l.pid
