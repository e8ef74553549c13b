-- What publishing the current database needs: the level of the log, our user's rights, and free slots.
SELECT current_setting('wal_level') AS wal_level,
       EXISTS (SELECT FROM pg_catalog.pg_roles r
                WHERE (r.rolname = current_user AND (r.rolreplication OR r.rolsuper))
                   OR (r.rolname = 'rds_replication' AND pg_catalog.pg_has_role(current_user, r.oid, 'MEMBER')))
       AS may_replicate,
       pg_catalog.has_database_privilege(current_database(), 'CREATE') AS may_create,
       current_setting('max_replication_slots')::int8
       - (SELECT count(*) FROM pg_catalog.pg_replication_slots) AS free_slots
