-- The server's settings that matter to a migration, as one row; null where this user may not see the value.
SELECT current_setting('server_version_num')::int AS version_number,
       version() AS version_text,
       pg_is_in_recovery() AS in_recovery,
       (SELECT reset_val = 'on' FROM pg_settings WHERE name = 'default_transaction_read_only') AS read_only_by_default,
       current_setting('transaction_read_only') = 'on' AS transaction_read_only,
       current_setting('server_encoding') AS encoding,
       current_setting('max_connections')::int AS max_connections,
       current_setting('superuser_reserved_connections')::int AS superuser_reserved_connections,
       coalesce(current_setting('reserved_connections', true), '0')::int AS reserved_connections,
       (SELECT count(*)::int FROM pg_stat_activity
         WHERE pid <> pg_backend_pid() AND datid IS NOT NULL
           AND coalesce(backend_type, 'client backend') = 'client backend') AS used_connections,
       (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS role_connection_limit,
       (SELECT count(*)::int FROM pg_stat_activity
         WHERE pid <> pg_backend_pid() AND usename = current_user) AS role_connections,
       current_setting('max_locks_per_transaction')::int AS max_locks_per_transaction,
       current_setting('max_prepared_transactions')::int AS max_prepared_transactions,
       (current_setting('max_connections')::int + current_setting('autovacuum_max_workers')::int + 1
         + current_setting('max_worker_processes')::int
         + CASE WHEN current_setting('server_version_num')::int >= 120000
                THEN current_setting('max_wal_senders')::int ELSE 0 END
         + current_setting('max_prepared_transactions')::int) AS lock_holders,
       current_setting('wal_level') AS wal_level,
       current_setting('max_wal_senders')::int AS max_wal_senders,
       current_setting('max_replication_slots')::int AS max_replication_slots,
       (SELECT count(*)::int FROM pg_replication_slots) AS used_replication_slots,
       (SELECT setting FROM pg_settings WHERE name = 'shared_preload_libraries') AS shared_preload_libraries,
       (SELECT setting FROM pg_settings WHERE name = 'data_directory') AS data_directory,
       (SELECT setting FROM pg_settings WHERE name = 'unix_socket_directories') AS unix_socket_directories,
       -- a server without ICU has the collation unicode all the same, from version 16 on
       EXISTS (SELECT FROM pg_collation WHERE collprovider = 'i' AND collname <> 'unicode') AS has_icu,
       EXISTS (SELECT FROM pg_settings WHERE name = 'ssl' AND setting = 'on') AS offers_tls,
       current_setting('port')::int AS server_port,
       pg_postmaster_start_time()::text AS started_at
