-- The publications of the current database.
SELECT pubname::text AS name FROM pg_publication ORDER BY pubname
