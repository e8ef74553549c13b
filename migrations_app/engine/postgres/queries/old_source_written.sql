-- How many rows were written to each table of people in the current database since its statistics began.
SELECT schemaname::text AS schema, relname::text AS name, n_tup_ins + n_tup_upd + n_tup_del AS changes
  FROM pg_catalog.pg_stat_user_tables
 WHERE schemaname <> '_migration_portal'
 ORDER BY 1, 2
