-- Default privileges.
SELECT 'default privileges', n.nspname, NULL::text,
       concat('of ', pg_get_userbyid(d.defaclrole), coalesce(concat(' in schema ', n.nspname::text), ''), ' on ',
              CASE d.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions'
                                   WHEN 'T' THEN 'types' WHEN 'n' THEN 'schemas' ELSE d.defaclobjtype::text END),
       jsonb_build_object('owner', pg_get_userbyid(d.defaclrole), 'grants', d.defaclacl::text[],
                          'defaults', CASE WHEN n.oid IS NULL THEN acldefault(
                              CASE d.defaclobjtype WHEN 'S' THEN 's' ELSE d.defaclobjtype END, d.defaclrole)::text[] END)
FROM pg_default_acl d
LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
WHERE n.oid IS NULL OR (n.nspname !~ '^pg_' AND n.nspname <> '_migration_portal')
