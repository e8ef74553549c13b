-- Sessions, prepared transactions and replication slots that use these databases, and whether this user may end them.
SELECT datname::text AS database, 'session' AS kind, pid::text AS name, usename::text AS owner,
       coalesce(pg_has_role(usesysid, 'USAGE'), false)
       OR (pg_has_role('pg_signal_backend', 'USAGE')
           AND NOT coalesce((SELECT rolsuper FROM pg_roles r WHERE r.oid = usesysid), true)) AS may_end
  FROM pg_stat_activity
 WHERE datname = ANY (%(names)s) AND pid <> pg_backend_pid()
   AND coalesce(backend_type, 'client backend') NOT IN ('autovacuum worker', 'parallel worker')
UNION ALL
SELECT database::text, 'prepared transaction', quote_literal(gid), owner::text, false
  FROM pg_prepared_xacts WHERE database = ANY (%(names)s)
UNION ALL
SELECT database::text, 'replication slot', slot_name::text, NULL, false
  FROM pg_replication_slots WHERE database = ANY (%(names)s)
