-- The subscriptions of the current database.
SELECT subname::text AS name FROM pg_subscription
 WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
 ORDER BY 1
