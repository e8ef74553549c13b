-- The user that is logged in.
SELECT rolname::text AS name, rolsuper AS superuser FROM pg_roles WHERE rolname = current_user
