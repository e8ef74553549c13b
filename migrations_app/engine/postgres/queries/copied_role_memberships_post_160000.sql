-- Who is a member of which role, with the options that 16 added.
SELECT r.rolname::text AS role, m.rolname::text AS member, a.admin_option AS admin,
       a.inherit_option AS inherit, a.set_option AS may_set
FROM pg_catalog.pg_auth_members a
JOIN pg_catalog.pg_roles r ON r.oid = a.roleid
JOIN pg_catalog.pg_roles m ON m.oid = a.member
WHERE m.rolname !~ '^pg_'
ORDER BY 1, 2
