-- One replication slot, with the places in the log as bytes; the status of its log is told since 13.
SELECT coalesce(active_pid, 0)::int8 AS active_pid,
       coalesce(confirmed_flush_lsn - '0/0', 0)::int8 AS confirmed_lsn,
       coalesce(restart_lsn - '0/0', 0)::int8 AS restart_lsn,
       ''::text AS wal_status,
       NULL::int8 AS safe_bytes
  FROM pg_catalog.pg_replication_slots
 WHERE slot_name = %(name)s
