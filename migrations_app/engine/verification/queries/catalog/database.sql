-- What belongs to the database as a whole; it may have another name on the target.
SELECT 'database', NULL::text, NULL::text, 'this database',
       jsonb_build_object(
           'encoding', pg_encoding_to_char(d.encoding), 'collate', d.datcollate, 'ctype', d.datctype,
           'locale provider', d.datlocprovider, -- [15+]
           'locale provider', 'c', -- [<15]
           'locale', d.datlocale, -- [17+]
           'locale', d.daticulocale, -- [15-16]
           'locale', NULL, -- [<15]
           'rules', d.daticurules, -- [16+]
           'owner', pg_get_userbyid(d.datdba), 'grants', coalesce(d.datacl, acldefault('d', d.datdba))::text[],
           'comment', shobj_description(d.oid, 'pg_database'),
           'connection limit', d.datconnlimit, 'template', d.datistemplate)
FROM pg_database d
WHERE d.datname = current_database()
UNION ALL
SELECT 'database setting', NULL::text, NULL::text,
       concat(CASE WHEN s.setrole <> 0 THEN concat('of ', pg_get_userbyid(s.setrole), ': ') END, split_part(o, '=', 1)),
       jsonb_build_object('owner', CASE WHEN s.setrole <> 0 THEN pg_get_userbyid(s.setrole) END,
                          'value', substr(o, strpos(o, '=') + 1))
FROM pg_db_role_setting s
JOIN pg_database d ON d.oid = s.setdatabase
CROSS JOIN LATERAL unnest(s.setconfig) o
WHERE d.datname = current_database()
UNION ALL
SELECT 'setting of all roles', NULL::text, NULL::text, split_part(o, '=', 1),
       jsonb_build_object('value', substr(o, strpos(o, '=') + 1))
FROM pg_db_role_setting s
CROSS JOIN LATERAL unnest(s.setconfig) o
WHERE s.setdatabase = 0 AND s.setrole = 0
