-- Settings that online migration depends on, as a new session of this user gets them.
SELECT name, reset_val AS setting, coalesce(unit, '') AS unit, pending_restart
  FROM pg_settings
 WHERE name IN ('wal_level', 'max_replication_slots', 'max_wal_senders', 'max_slot_wal_keep_size', 'wal_sender_timeout',
                'idle_replication_slot_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout',
                'max_worker_processes', 'max_logical_replication_workers', 'max_active_replication_origins')
