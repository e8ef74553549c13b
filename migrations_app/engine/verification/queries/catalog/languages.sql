-- Procedural languages, transforms and access methods that no extension brought.
SELECT 'language', NULL::text, NULL::text, l.lanname::text,
       jsonb_build_object(
           'trusted', l.lanpltrusted, 'handler', l.lanplcallfoid::regproc, 'inline', l.laninline::regproc,
           'validator', l.lanvalidator::regproc,
           'owner', pg_get_userbyid(l.lanowner),
           'grants', coalesce(l.lanacl, acldefault('l', l.lanowner))::text[],
           'comment', obj_description(l.oid, 'pg_language'))
FROM pg_language l
WHERE l.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = 'pg_language'::regclass AND e.objid = l.oid AND e.deptype = 'e')
UNION ALL
SELECT 'transform', NULL::text, NULL::text, concat(format_type(t.trftype, NULL), ' in ', l.lanname),
       jsonb_build_object('from SQL', t.trffromsql::regproc, 'to SQL', t.trftosql::regproc,
                          'comment', obj_description(t.oid, 'pg_transform'))
FROM pg_transform t
JOIN pg_language l ON l.oid = t.trflang
WHERE NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = 'pg_transform'::regclass AND e.objid = t.oid AND e.deptype = 'e')
UNION ALL
SELECT 'access method', NULL::text, NULL::text, m.amname::text,
       jsonb_build_object('handler', m.amhandler::regproc, 'type', m.amtype, 'comment', obj_description(m.oid, 'pg_am'))
FROM pg_am m
WHERE m.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = 'pg_am'::regclass AND e.objid = m.oid AND e.deptype = 'e')
