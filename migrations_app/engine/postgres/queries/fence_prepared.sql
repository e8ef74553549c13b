-- Transactions of one database that were prepared and have not ended.
SELECT gid, owner::text AS owner, prepared::timestamptz(0)::text AS since
  FROM pg_catalog.pg_prepared_xacts
 WHERE database = %(database)s
 ORDER BY prepared, gid
