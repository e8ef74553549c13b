-- Whether our user may let the server run a program.
SELECT pg_catalog.pg_has_role('pg_execute_server_program', 'USAGE') AS may_run
