-- One replication slot: whether somebody reads from it, and how far the server has come; no row when it is gone.
SELECT active, '' AS wal_status,
       pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::int8 AS server_lsn
  FROM pg_catalog.pg_replication_slots
 WHERE slot_name = %(name)s
