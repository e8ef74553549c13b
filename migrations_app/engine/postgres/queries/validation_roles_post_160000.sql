-- The roles of this server with their attributes, and whether the current user may act as each.
SELECT rolname::text AS name, rolsuper AS superuser, rolinherit AS inherit, rolcreaterole AS create_role,
       rolcreatedb AS create_database, rolcanlogin AS login, rolreplication AS replication, rolbypassrls AS bypass_rls,
       rolconnlimit AS connection_limit, pg_has_role(oid, 'SET') AS may_become,
       pg_has_role(oid, 'MEMBER WITH ADMIN OPTION') AS may_administer
  FROM pg_roles
 WHERE rolname !~ '^pg_'
 ORDER BY rolname
