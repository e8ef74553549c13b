-- Roles that can log in and whose password is kept as an MD5 hash; only superusers may read this.
SELECT rolname::text AS name FROM pg_authid WHERE rolcanlogin AND rolpassword LIKE 'md5%%' ORDER BY 1
