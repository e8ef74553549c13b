-- Who holds or waits for a lock in exclusive mode on a relation of people, which pg_dump would have to wait for.
SELECT n.nspname::text AS schema, c.relname::text AS name, l.pid, p.gid AS prepared, l.granted,
       coalesce(a.usename, p.owner)::text AS user,
       coalesce(a.xact_start, p.prepared)::timestamptz(0)::text AS since,
       left(a.query, 200) AS query, a.state AS state
  FROM pg_locks l
  JOIN pg_class c ON c.oid = l.relation
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_stat_activity a ON a.pid = l.pid
  LEFT JOIN pg_locks x ON l.pid IS NULL AND x.pid IS NULL AND x.locktype = 'transactionid'
                      AND x.virtualtransaction = l.virtualtransaction
  LEFT JOIN pg_prepared_xacts p ON p.transaction = x.transactionid
 WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND c.relkind IN ('r', 'p', 'S', 'v', 'm')
   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
 ORDER BY 7, 1, 2
