-- Replication slots that nobody reads and that keep WAL on this server, with the bytes kept.
SELECT slot_name::text AS name,
       CASE WHEN pg_is_in_recovery() THEN 0
            ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) END::int8 AS kept_bytes
  FROM pg_replication_slots
 WHERE NOT active AND restart_lsn IS NOT NULL
 ORDER BY 2 DESC, 1
