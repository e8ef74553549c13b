-- Foreign-data wrappers, servers and user mappings.
SELECT 'foreign-data wrapper', NULL::text, NULL::text, w.fdwname::text,
       jsonb_build_object(
           'handler', w.fdwhandler::regproc, 'validator', w.fdwvalidator::regproc,
           'secret options', (SELECT array_agg(o ORDER BY o) FROM unnest(w.fdwoptions) o),
           'owner', pg_get_userbyid(w.fdwowner), 'grants', coalesce(w.fdwacl, acldefault('F', w.fdwowner))::text[],
           'comment', obj_description(w.oid, 'pg_foreign_data_wrapper'))
FROM pg_foreign_data_wrapper w
WHERE NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = 'pg_foreign_data_wrapper'::regclass AND e.objid = w.oid AND e.deptype = 'e')
UNION ALL
SELECT 'foreign server', NULL::text, NULL::text, s.srvname::text,
       jsonb_build_object(
           'wrapper', (SELECT w.fdwname FROM pg_foreign_data_wrapper w WHERE w.oid = s.srvfdw),
           'type', s.srvtype, 'version', s.srvversion,
           'secret options', (SELECT array_agg(o ORDER BY o) FROM unnest(s.srvoptions) o),
           'owner', pg_get_userbyid(s.srvowner), 'grants', coalesce(s.srvacl, acldefault('S', s.srvowner))::text[],
           'comment', obj_description(s.oid, 'pg_foreign_server'))
FROM pg_foreign_server s
WHERE NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = 'pg_foreign_server'::regclass AND e.objid = s.oid AND e.deptype = 'e')
UNION ALL
SELECT 'user mapping', NULL::text, NULL::text, concat(u.usename, ' on ', u.srvname),
       jsonb_build_object(
           'owner', CASE WHEN u.umuser <> 0 THEN u.usename END,
           -- The view shows options to superusers, and to those who own the mapping or the server.
           'secret options', CASE
               WHEN (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
                 OR (u.umuser = 0 AND pg_has_role(s.srvowner, 'USAGE'))
                 OR (u.usename = current_user
                     AND (pg_has_role(s.srvowner, 'USAGE') OR has_server_privilege(s.oid, 'USAGE')))
               THEN to_jsonb((SELECT array_agg(o ORDER BY o) FROM unnest(u.umoptions) o))
               ELSE to_jsonb('not visible'::text) END)
FROM pg_user_mappings u
JOIN pg_foreign_server s ON s.oid = u.srvid
