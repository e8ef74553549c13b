-- Transactions that were prepared and neither committed nor rolled back yet, in any database.
SELECT gid, owner::text AS owner, database::text AS database, prepared::timestamptz(0)::text AS since,
       extract(epoch FROM clock_timestamp() - prepared)::int8 AS age_seconds
  FROM pg_prepared_xacts
 ORDER BY prepared, gid
