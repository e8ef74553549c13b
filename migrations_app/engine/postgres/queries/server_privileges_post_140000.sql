-- What the user that is logged in may do on this server.
SELECT r.rolname AS user, r.rolsuper AS superuser, r.rolcreaterole AS create_role, r.rolcreatedb AS create_database,
       r.rolreplication AS replication, r.rolbypassrls AS bypass_rls,
       has_table_privilege('pg_catalog.pg_authid', 'SELECT') AS read_password_hashes,
       r.rolsuper AS set_session_replication_role,
       pg_has_role('pg_read_all_data', 'USAGE') AS read_all_data,
       has_database_privilege(current_database(), 'TEMP') AS create_temporary_tables,
       pg_has_role('pg_read_all_settings', 'USAGE') AS read_all_settings,
       pg_has_role('pg_read_all_stats', 'USAGE') AS read_all_stats,
       pg_has_role('pg_signal_backend', 'USAGE') AS signal_backends,
       pg_has_role('pg_execute_server_program', 'USAGE') AS execute_programs,
       false AS create_subscriptions,
       r.rolvaliduntil::text AS valid_until,
       ARRAY(SELECT g.rolname::text FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
              WHERE m.member = r.oid ORDER BY 1) AS member_of
  FROM pg_roles r
 WHERE r.rolname = current_user
