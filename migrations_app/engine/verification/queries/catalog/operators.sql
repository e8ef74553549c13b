-- Operators, operator families and operator classes, and casts.
SELECT 'operator', n.nspname, NULL::text,
       concat(n.nspname, '.', o.oprname, '(', CASE WHEN o.oprleft = 0 THEN 'none' ELSE format_type(o.oprleft, NULL) END, ',',
              CASE WHEN o.oprright = 0 THEN 'none' ELSE format_type(o.oprright, NULL) END, ')'),
       jsonb_build_object(
           'function', o.oprcode::regprocedure, 'result', format_type(o.oprresult, NULL),
           'commutator', o.oprcom::regoperator, 'negator', o.oprnegate::regoperator,
           'restrict', o.oprrest::regproc, 'join', o.oprjoin::regproc, 'merges', o.oprcanmerge, 'hashes', o.oprcanhash,
           'owner', pg_get_userbyid(o.oprowner), 'comment', obj_description(o.oid, 'pg_operator'))
FROM pg_operator o
JOIN pg_namespace n ON n.oid = o.oprnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '_migration_portal')
  AND NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = 'pg_operator'::regclass AND e.objid = o.oid AND e.deptype = 'e')
UNION ALL
SELECT 'operator family', n.nspname, NULL::text, concat(n.nspname, '.', f.opfname, ' using ', am.amname),
       jsonb_build_object(
           'operators', (SELECT array_agg(concat(o.amopstrategy, ' ', o.amopopr::regoperator, ' ', o.amoppurpose, ' ',
                                                 nullif(o.amopsortfamily, 0) IS NOT NULL)
                                          ORDER BY o.amopstrategy, o.amopopr::regoperator::text)
                         FROM pg_amop o WHERE o.amopfamily = f.oid),
           'functions', (SELECT array_agg(concat(p.amprocnum, ' ', p.amproc::regprocedure, ' for ',
                                                 format_type(p.amproclefttype, NULL), ',', format_type(p.amprocrighttype, NULL))
                                          ORDER BY p.amprocnum, p.amproc::regprocedure::text,
                                                   format_type(p.amproclefttype, NULL), format_type(p.amprocrighttype, NULL))
                         FROM pg_amproc p WHERE p.amprocfamily = f.oid),
           'owner', pg_get_userbyid(f.opfowner), 'comment', obj_description(f.oid, 'pg_opfamily'))
FROM pg_opfamily f
JOIN pg_namespace n ON n.oid = f.opfnamespace
JOIN pg_am am ON am.oid = f.opfmethod
WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '_migration_portal')
  AND NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = 'pg_opfamily'::regclass AND e.objid = f.oid AND e.deptype = 'e')
UNION ALL
SELECT 'operator class', n.nspname, NULL::text, concat(n.nspname, '.', o.opcname, ' using ', am.amname),
       jsonb_build_object(
           'type', format_type(o.opcintype, NULL), 'default', o.opcdefault,
           'storage', CASE WHEN o.opckeytype <> 0 THEN format_type(o.opckeytype, NULL) END,
           'family', (SELECT concat(fn.nspname, '.', f.opfname) FROM pg_opfamily f
                      JOIN pg_namespace fn ON fn.oid = f.opfnamespace WHERE f.oid = o.opcfamily),
           'owner', pg_get_userbyid(o.opcowner), 'comment', obj_description(o.oid, 'pg_opclass'))
FROM pg_opclass o
JOIN pg_namespace n ON n.oid = o.opcnamespace
JOIN pg_am am ON am.oid = o.opcmethod
WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '_migration_portal')
  AND NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = 'pg_opclass'::regclass AND e.objid = o.oid AND e.deptype = 'e')
UNION ALL
SELECT 'cast', NULL::text, NULL::text,
       concat(format_type(c.castsource, NULL), ' AS ', format_type(c.casttarget, NULL)),
       jsonb_build_object(
           'function', CASE WHEN c.castfunc <> 0 THEN c.castfunc::regprocedure::text END, 'context', c.castcontext,
           'method', c.castmethod, 'comment', obj_description(c.oid, 'pg_cast'))
FROM pg_cast c
WHERE c.oid >= 16384
  AND NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = 'pg_cast'::regclass AND e.objid = c.oid AND e.deptype = 'e')
  AND NOT EXISTS (SELECT FROM pg_type r WHERE r.oid = c.castsource AND r.typtype = 'r')
