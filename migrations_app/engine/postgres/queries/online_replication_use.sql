-- How many walsenders, subscription workers, background workers and replication origins are in use.
SELECT (SELECT count(*)::int FROM pg_stat_replication) AS senders,
       (SELECT count(*)::int FROM pg_stat_subscription WHERE pid IS NOT NULL) AS subscription_workers,
       (SELECT count(*)::int FROM pg_replication_origin) AS origins
