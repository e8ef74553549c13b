-- Objects of the current database that are not copied as they are, or that only a superuser may create.
WITH members AS (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
), ours AS (
    SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
                                   AND nspname <> ALL (%(own_schemas)s::text[])
)
SELECT 'publication' AS kind, pubname::text AS name, CASE WHEN puballtables THEN 'all tables' ELSE '' END AS detail
  FROM pg_publication
UNION ALL
SELECT 'event trigger', evtname::text, pg_get_userbyid(evtowner)::text FROM pg_event_trigger e
 WHERE NOT EXISTS (SELECT FROM members m WHERE m.classid = 'pg_event_trigger'::regclass AND m.objid = e.oid)
UNION ALL
SELECT 'login trigger', evtname::text, pg_get_userbyid(evtowner)::text FROM pg_event_trigger
 WHERE evtevent = 'login' AND evtenabled IN ('O', 'A')
UNION ALL
SELECT 'security label', provider, count(*)::text
  FROM (SELECT provider FROM pg_seclabel
        UNION ALL
        SELECT provider FROM pg_shseclabel
         WHERE classoid = 'pg_authid'::regclass
            OR (classoid = 'pg_database'::regclass
                AND objoid = (SELECT oid FROM pg_database WHERE datname = current_database()))) l
 GROUP BY provider
UNION ALL
SELECT 'foreign server', s.srvname::text, w.fdwname::text
  FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
UNION ALL
SELECT 'user mapping', format('%%I SERVER %%I', usename, srvname), CASE WHEN umoptions IS NULL THEN 'hidden' ELSE '' END
  FROM pg_user_mappings
UNION ALL
SELECT 'function', p.oid::regprocedure::text, l.lanname::text
  FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
 WHERE NOT l.lanpltrusted AND l.lanname <> 'internal' AND p.pronamespace IN (SELECT oid FROM ours)
   AND NOT EXISTS (SELECT FROM members m WHERE m.classid = 'pg_proc'::regclass AND m.objid = p.oid)
UNION ALL
SELECT 'superuser only', t.oid::regtype::text, 'base type'
  FROM pg_type t
 WHERE t.typtype = 'b' AND t.typnamespace IN (SELECT oid FROM ours)
   AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)
   AND NOT EXISTS (SELECT FROM members m WHERE m.classid = 'pg_type'::regclass AND m.objid = t.oid)
UNION ALL
SELECT 'superuser only', format('%%I.%%I', n.nspname, o.opcname), 'operator class'
  FROM pg_opclass o JOIN pg_namespace n ON n.oid = o.opcnamespace
 WHERE o.opcnamespace IN (SELECT oid FROM ours)
   AND NOT EXISTS (SELECT FROM members m WHERE m.classid = 'pg_opclass'::regclass AND m.objid = o.oid)
UNION ALL
SELECT 'superuser only', quote_ident(fdwname), 'foreign-data wrapper' FROM pg_foreign_data_wrapper w
 WHERE NOT EXISTS (SELECT FROM members m WHERE m.classid = 'pg_foreign_data_wrapper'::regclass AND m.objid = w.oid)
UNION ALL
SELECT 'superuser only', quote_ident(amname), 'access method' FROM pg_am a
 WHERE a.oid >= 16384
   AND NOT EXISTS (SELECT FROM members m WHERE m.classid = 'pg_am'::regclass AND m.objid = a.oid)
UNION ALL
SELECT 'superuser only', format('%%I.%%I', n.nspname, p.prsname), 'text search parser'
  FROM pg_ts_parser p JOIN pg_namespace n ON n.oid = p.prsnamespace
 WHERE p.prsnamespace IN (SELECT oid FROM ours)
   AND NOT EXISTS (SELECT FROM members m WHERE m.classid = 'pg_ts_parser'::regclass AND m.objid = p.oid)
UNION ALL
SELECT 'superuser only', format('%%I.%%I', n.nspname, p.tmplname), 'text search template'
  FROM pg_ts_template p JOIN pg_namespace n ON n.oid = p.tmplnamespace
 WHERE p.tmplnamespace IN (SELECT oid FROM ours)
   AND NOT EXISTS (SELECT FROM members m WHERE m.classid = 'pg_ts_template'::regclass AND m.objid = p.oid)
UNION ALL
SELECT 'superuser only', format('%%I.%%I', n.nspname, f.opfname), 'operator family'
  FROM pg_opfamily f JOIN pg_namespace n ON n.oid = f.opfnamespace
 WHERE f.opfnamespace IN (SELECT oid FROM ours)
   AND NOT EXISTS (SELECT FROM pg_opclass o WHERE o.opcfamily = f.oid)
   AND NOT EXISTS (SELECT FROM members m WHERE m.classid = 'pg_opfamily'::regclass AND m.objid = f.oid)
UNION ALL
SELECT 'postfix operator', o.oid::regoperator::text, '' FROM pg_operator o
 WHERE o.oprleft <> 0 AND o.oprright = 0 AND o.oprnamespace IN (SELECT oid FROM ours)
   AND NOT EXISTS (SELECT FROM members m WHERE m.classid = 'pg_operator'::regclass AND m.objid = o.oid)
UNION ALL
SELECT 'array aggregate', p.oid::regprocedure::text, ''
  FROM pg_aggregate a
  JOIN pg_proc p ON p.oid = a.aggfnoid
  JOIN pg_proc t ON t.oid = a.aggtransfn
 WHERE p.pronamespace IN (SELECT oid FROM ours) AND t.pronamespace = 'pg_catalog'::regnamespace
   AND t.proname IN ('array_append', 'array_cat', 'array_prepend', 'array_remove', 'array_replace')
   AND a.aggtranstype IN ('anyarray'::regtype, 'anyelement'::regtype)
   AND NOT EXISTS (SELECT FROM members m WHERE m.classid = 'pg_proc'::regclass AND m.objid = p.oid)
 ORDER BY 1, 2
