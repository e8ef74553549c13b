-- Types that stand for themselves: enums, composites, ranges, base types and shells; domains have a query of their own.
SELECT 'type', n.nspname, NULL::text, concat(n.nspname, '.', t.typname),
       jsonb_build_object(
           'kind', t.typtype,
           'owner', pg_get_userbyid(t.typowner),
           'grants', coalesce(t.typacl, acldefault('T', t.typowner))::text[],
           'comment', obj_description(t.oid, 'pg_type'),
           'labels', (SELECT array_agg(l.enumlabel::text ORDER BY l.enumsortorder) FROM pg_enum l WHERE l.enumtypid = t.oid),
           'attributes', (SELECT jsonb_agg(jsonb_build_array(
                              a.attname, format_type(a.atttypid, a.atttypmod),
                              CASE WHEN a.attcollation <> at.typcollation THEN
                                  (SELECT concat(quote_ident(ln.nspname), '.', quote_ident(l.collname))
                                   FROM pg_collation l JOIN pg_namespace ln ON ln.oid = l.collnamespace
                                   WHERE l.oid = a.attcollation) END,
                              col_description(a.attrelid, a.attnum)) ORDER BY a.attnum)
                          FROM pg_attribute a JOIN pg_type at ON at.oid = a.atttypid
                          WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped),
           'range', (SELECT jsonb_build_array(
                         format_type(r.rngsubtype, NULL),
                         (SELECT concat(on_.nspname, '.', o.opcname) FROM pg_opclass o
                          JOIN pg_namespace on_ ON on_.oid = o.opcnamespace WHERE o.oid = r.rngsubopc),
                         (SELECT concat(ln.nspname, '.', l.collname) FROM pg_collation l
                          JOIN pg_namespace ln ON ln.oid = l.collnamespace WHERE l.oid = r.rngcollation),
                         r.rngcanonical::regproc, r.rngsubdiff::regproc)
                     FROM pg_range r WHERE r.rngtypid = t.oid),
           'multirange', (SELECT format_type(r.rngmultitypid, NULL) FROM pg_range r WHERE r.rngtypid = t.oid), -- [14+]
           'base', CASE WHEN t.typtype = 'b' THEN jsonb_build_array(
               t.typinput::regprocedure, t.typoutput::regprocedure, t.typreceive::regprocedure, t.typsend::regprocedure,
               t.typmodin::regprocedure, t.typmodout::regprocedure, t.typanalyze::regprocedure, t.typlen, t.typbyval,
               t.typcategory, t.typispreferred, t.typdelim, t.typalign, t.typstorage, t.typcollation <> 0,
               t.typelem::regtype, t.typdefault) END)
FROM pg_type t
JOIN pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_class c ON c.oid = t.typrelid
WHERE (t.typtype IN ('e', 'r', 'b', 'p') OR (t.typtype = 'c' AND c.relkind = 'c'))
  AND NOT EXISTS (SELECT FROM pg_type element WHERE element.typarray = t.oid)
  AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '_migration_portal')
  AND NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = 'pg_type'::regclass AND e.objid = t.oid AND e.deptype = 'e')
