-- Whether our user may let the server run a program; only a superuser before 11.
SELECT rolsuper AS may_run FROM pg_catalog.pg_roles WHERE rolname = current_user
