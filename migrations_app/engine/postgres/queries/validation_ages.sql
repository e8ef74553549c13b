-- The age of the oldest transaction and multixact that each database still knows.
SELECT datname::text AS database, age(datfrozenxid)::int8 AS transactions, mxid_age(datminmxid)::int8 AS multixacts,
       datallowconn AS allows_connections
  FROM pg_database
 WHERE NOT pg_is_in_recovery()
 ORDER BY greatest(age(datfrozenxid), mxid_age(datminmxid)) DESC, 1
