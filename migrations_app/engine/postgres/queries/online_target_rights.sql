-- Whether the current user may run the functions of replication origins, in the current database.
SELECT bool_and(has_function_privilege(oid, 'EXECUTE')) AS run_origins
  FROM pg_proc
 WHERE pronamespace = 'pg_catalog'::regnamespace
   AND proname IN ('pg_replication_origin_create', 'pg_replication_origin_drop', 'pg_replication_origin_progress',
                   'pg_replication_origin_session_setup', 'pg_replication_origin_xact_setup')
