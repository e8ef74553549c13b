-- The tables of one subscription of this database that its worker applies changes to.
SELECT n.nspname::text AS schema, c.relname::text AS name
  FROM pg_catalog.pg_subscription_rel r
  JOIN pg_catalog.pg_stat_subscription s ON s.subid = r.srsubid AND s.relid IS NULL
  JOIN pg_catalog.pg_class c ON c.oid = r.srrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE s.subname = %(name)s AND r.srsubstate = 'r'
