-- Traces that managed services leave on a server: settings, roles and databases of their own.
SELECT version() AS version_text,
       to_regprocedure('pg_catalog.aurora_version()') IS NOT NULL AS has_aurora_version,
       ARRAY(SELECT name FROM unnest(%(settings)s::text[]) AS name WHERE current_setting(name, true) IS NOT NULL) AS settings,
       ARRAY(SELECT rolname::text FROM pg_roles WHERE rolname = ANY (%(roles)s::text[]) ORDER BY 1) AS roles,
       ARRAY(SELECT datname::text FROM pg_database WHERE datname = ANY (%(databases)s::text[]) ORDER BY 1) AS databases,
       current_setting('azure.extensions', true) AS allowed_extensions
