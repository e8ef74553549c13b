-- Which server this is and on which time line: another one after a failover to a standby, or a restored copy.
-- The time line is that of the log being written; a checkpoint tells a new one minutes later.
SELECT (SELECT system_identifier::text FROM pg_catalog.pg_control_system()) AS system,
       ('x' || left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 8))::bit(32)::int8 AS timeline
