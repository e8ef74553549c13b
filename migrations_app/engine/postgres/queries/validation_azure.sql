-- On Azure: whether the user belongs to azure_pg_admin, and which methods of password authentication are accepted.
SELECT coalesce((SELECT pg_has_role(r.oid, 'MEMBER') FROM pg_roles r WHERE r.rolname = 'azure_pg_admin'), true)
         AS is_admin,
       current_setting('azure.accepted_password_auth_method', true) AS accepted_methods,
       current_setting('azure.enable_temp_tablespaces_on_local_ssd', true) AS local_ssd
