-- The extensions that can be created on this server, with their default version and who may create them.
SELECT e.name::text AS name, e.default_version, v.superuser AS needs_superuser, v.trusted AS trusted
  FROM pg_available_extensions e
  LEFT JOIN pg_available_extension_versions v ON v.name = e.name AND v.version = e.default_version
 ORDER BY 1
