-- What bears the portal's names: slots and subscriptions of the whole server, other things of this database.
SELECT 'replication slot' AS kind, slot_name::text AS name
  FROM pg_catalog.pg_replication_slots WHERE left(slot_name, length(%(prefix)s)) = %(prefix)s
UNION ALL
SELECT 'publication', pubname::text
  FROM pg_catalog.pg_publication WHERE left(pubname, length(%(prefix)s)) = %(prefix)s
UNION ALL
SELECT DISTINCT 'subscription', subname::text
  FROM pg_catalog.pg_stat_subscription WHERE left(subname, length(%(prefix)s)) = %(prefix)s
UNION ALL
SELECT 'replication origin', roname::text
  FROM pg_catalog.pg_replication_origin WHERE left(roname, length(%(prefix)s)) = %(prefix)s
UNION ALL
SELECT 'event trigger', evtname::text
  FROM pg_catalog.pg_event_trigger WHERE left(evtname, length(%(prefix)s)) = %(prefix)s
UNION ALL
SELECT 'schema', nspname::text FROM pg_catalog.pg_namespace WHERE nspname = '_migration_portal'
 ORDER BY 1, 2
