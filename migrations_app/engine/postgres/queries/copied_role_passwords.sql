-- Password hashes; only superusers may read them.
SELECT rolname::text AS name, rolpassword AS password FROM pg_catalog.pg_authid WHERE rolpassword IS NOT NULL
