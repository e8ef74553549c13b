-- Collations and conversions.
SELECT 'collation', n.nspname, NULL::text, concat(n.nspname, '.', l.collname),
       jsonb_build_object(
           'provider', l.collprovider,
           'locale', CASE l.collprovider WHEN 'c' THEN concat(l.collcollate, ', ', l.collctype) ELSE l.colllocale END, -- [17+]
           'locale', CASE l.collprovider WHEN 'i' THEN to_jsonb(l) ->> 'colliculocale' ELSE concat(l.collcollate, ', ', l.collctype) END, -- [15-16]
           'locale', CASE l.collprovider WHEN 'i' THEN l.collcollate ELSE concat(l.collcollate, ', ', l.collctype) END, -- [<15]
           'deterministic', l.collisdeterministic, -- [12+]
           'deterministic', true, -- [<12]
           'rules', l.collicurules, -- [16+]
           'owner', pg_get_userbyid(l.collowner), 'comment', obj_description(l.oid, 'pg_collation'))
FROM pg_collation l
JOIN pg_namespace n ON n.oid = l.collnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '_migration_portal')
  AND NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = 'pg_collation'::regclass AND e.objid = l.oid AND e.deptype = 'e')
UNION ALL
SELECT 'conversion', n.nspname, NULL::text, concat(n.nspname, '.', c.conname),
       jsonb_build_object(
           'from', pg_encoding_to_char(c.conforencoding), 'to', pg_encoding_to_char(c.contoencoding),
           'function', c.conproc::regproc, 'default', c.condefault,
           'owner', pg_get_userbyid(c.conowner), 'comment', obj_description(c.oid, 'pg_conversion'))
FROM pg_conversion c
JOIN pg_namespace n ON n.oid = c.connamespace
WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '_migration_portal')
  AND NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = 'pg_conversion'::regclass AND e.objid = c.oid AND e.deptype = 'e')
