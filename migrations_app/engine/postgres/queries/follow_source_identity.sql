-- Which server this is and on which time line: another one after a failover to a standby, or a restored copy.
SELECT (SELECT system_identifier::text FROM pg_catalog.pg_control_system()) AS system,
       (SELECT timeline_id::int8 FROM pg_catalog.pg_control_checkpoint()) AS timeline
