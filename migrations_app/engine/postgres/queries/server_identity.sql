-- What tells this server from every other, even from a copy of its files.
SELECT system_identifier::text || ' ' || pg_postmaster_start_time()::text || ' ' || current_setting('port') AS identity
  FROM pg_control_system()
