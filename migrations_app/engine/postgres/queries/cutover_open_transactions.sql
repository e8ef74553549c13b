-- Transactions that wrote something in a database and are still open, without ours.
SELECT DISTINCT ON (l.pid) l.pid, a.usename::text AS user, host(a.client_addr) AS address,
       a.application_name AS application, a.xact_start::timestamptz(0)::text AS since,
       extract(epoch FROM clock_timestamp() - a.xact_start)::int8 AS age_seconds, left(a.query, 200) AS query
  FROM pg_catalog.pg_locks l
  JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
 WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted
   AND a.datname = %(database)s AND l.pid <> pg_backend_pid()
   AND NOT (a.usename = current_user AND left(a.application_name, length(%(tag)s)) = %(tag)s)
 ORDER BY l.pid
