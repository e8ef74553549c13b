-- The version of the library behind each of these locales; names are compared without case, hyphens and underscores.
SELECT DISTINCT ON (1, 2) collprovider::text AS provider,
       lower(replace(replace(coalesce(colliculocale, collcollate), '-', ''), '_', '')) AS locale, pg_collation_actual_version(oid) AS version
  FROM pg_collation
 WHERE lower(replace(replace(coalesce(colliculocale, collcollate), '-', ''), '_', '')) = ANY (%(locales)s)
 ORDER BY 1, 2, 3
