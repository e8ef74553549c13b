-- The server's configuration parameters and who may set them.
SELECT lower(name) AS name, context FROM pg_settings
