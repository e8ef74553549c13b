-- The subscriptions of the current database that receive some table, where pg_subscription itself is hidden.
SELECT DISTINCT s.subname::text AS name
  FROM pg_stat_subscription s JOIN pg_subscription_rel r ON r.srsubid = s.subid
 ORDER BY 1
