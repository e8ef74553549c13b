-- The standbys that are connected now; their state is null for a user who may not see it.
SELECT application_name::text AS name, sync_state::text AS state FROM pg_stat_replication ORDER BY 1
