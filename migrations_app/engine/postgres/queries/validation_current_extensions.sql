-- Extensions of the database that the portal logs in to.
SELECT extname::text AS name FROM pg_extension ORDER BY 1
