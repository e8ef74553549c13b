-- Who holds a lock on a table of this database that a lock in EXCLUSIVE mode has to wait for.
SELECT l.relation::regclass::text AS table, l.mode, l.pid, a.usename::text AS user, a.application_name AS application,
       coalesce(a.backend_type, 'session') AS kind, host(a.client_addr) AS address,
       a.xact_start::timestamptz(0)::text AS since, left(a.query, 200) AS query
  FROM pg_catalog.pg_locks l
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
 WHERE l.locktype = 'relation' AND l.granted AND l.mode <> 'AccessShareLock'
   AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
   AND l.relation >= 16384
   AND l.pid IS DISTINCT FROM pg_backend_pid() AND l.pid IS DISTINCT FROM %(holder)s
 ORDER BY 1, l.pid
