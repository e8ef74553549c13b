-- Sessions in a database that are neither ours nor a walsender's nor the server's own; details may be hidden from us.
SELECT a.pid, a.usename::text AS user, coalesce(r.rolsuper, false) AS is_superuser, host(a.client_addr) AS address,
       a.application_name AS application, a.state, a.xact_start::timestamptz(0)::text AS since,
       left(a.query, 200) AS query, a.backend_xid IS NOT NULL AS is_writing
  FROM pg_catalog.pg_stat_activity a
  LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.usesysid
 WHERE a.datname = %(database)s
   AND a.pid <> pg_backend_pid()
   AND a.usesysid IS NOT NULL
   AND coalesce(a.backend_type, 'client backend') = 'client backend'
   AND a.pid NOT IN (SELECT pid FROM pg_catalog.pg_stat_replication WHERE pid IS NOT NULL)
   AND a.pid NOT IN (SELECT active_pid FROM pg_catalog.pg_replication_slots WHERE active_pid IS NOT NULL)
   AND NOT (a.usename = current_user AND left(a.application_name, length(%(tag)s)) = %(tag)s)
 ORDER BY a.pid
