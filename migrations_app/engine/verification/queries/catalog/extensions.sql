-- Extensions; their members come with them and are not compared one by one.
SELECT 'extension', NULL::text, NULL::text, x.extname::text,
       jsonb_build_object('schema', n.nspname, 'version', x.extversion, 'comment', obj_description(x.oid, 'pg_extension'),
                          'may comment', pg_has_role(x.extowner, 'USAGE'))
FROM pg_extension x
JOIN pg_namespace n ON n.oid = x.extnamespace
WHERE x.oid >= 16384
