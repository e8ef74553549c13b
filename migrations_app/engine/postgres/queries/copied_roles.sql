-- Roles of the server that are not PostgreSQL's own.
SELECT rolname::text AS name, rolsuper AS superuser, rolinherit AS inherit, rolcreaterole AS createrole,
       rolcreatedb AS createdb, rolcanlogin AS login, rolreplication AS replication, rolbypassrls AS bypassrls,
       rolconnlimit AS connection_limit, rolvaliduntil::text AS valid_until,
       pg_catalog.shobj_description(oid, 'pg_authid') AS comment
FROM pg_catalog.pg_roles
WHERE rolname !~ '^pg_'
ORDER BY rolname
