-- A replication slot: how far its reader confirmed, whether it still has the log it needs, and who reads it now.
SELECT s.database::text AS database, s.plugin::text AS plugin, s.active_pid::int8 AS active_pid,
       s.restart_lsn IS NULL AS is_lost, (s.confirmed_flush_lsn - '0/0'::pg_lsn)::int8 AS confirmed_lsn,
       coalesce(a.application_name, '') AS reader
  FROM pg_replication_slots s
  LEFT JOIN pg_stat_activity a ON a.pid = s.active_pid
 WHERE s.slot_name = %(slot)s
