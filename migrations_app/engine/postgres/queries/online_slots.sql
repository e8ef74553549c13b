-- The server's replication slots, and how much WAL each holds back.
SELECT slot_name::text AS name, slot_type AS type, database::text AS database, active,
       pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END,
                       restart_lsn)::int8 AS retained_bytes
  FROM pg_replication_slots
 ORDER BY slot_name
