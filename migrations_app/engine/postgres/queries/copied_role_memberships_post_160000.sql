-- Who is a member of which role, with the options that 16 added: what any of several grantors gave.
SELECT r.rolname::text AS role, m.rolname::text AS member, bool_or(a.admin_option) AS admin,
       bool_or(a.inherit_option) AS inherit, bool_or(a.set_option) AS may_set
FROM pg_catalog.pg_auth_members a
JOIN pg_catalog.pg_roles r ON r.oid = a.roleid
JOIN pg_catalog.pg_roles m ON m.oid = a.member
WHERE m.rolname !~ '^pg_'
GROUP BY 1, 2
ORDER BY 1, 2
