-- Domains.
SELECT 'domain', n.nspname, NULL::text, concat(n.nspname, '.', t.typname),
       jsonb_build_object(
           'type', format_type(t.typbasetype, t.typtypmod),
           'not null', t.typnotnull,
           'default', pg_get_expr(t.typdefaultbin, 0),
           'collation', CASE WHEN t.typcollation <> b.typcollation THEN
               (SELECT concat(quote_ident(ln.nspname), '.', quote_ident(l.collname))
                FROM pg_collation l JOIN pg_namespace ln ON ln.oid = l.collnamespace WHERE l.oid = t.typcollation) END,
           'owner', pg_get_userbyid(t.typowner),
           'grants', coalesce(t.typacl, acldefault('T', t.typowner))::text[],
           'comment', obj_description(t.oid, 'pg_type'))
FROM pg_type t
JOIN pg_namespace n ON n.oid = t.typnamespace
JOIN pg_type b ON b.oid = t.typbasetype
WHERE t.typtype = 'd'
  AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '_migration_portal')
  AND NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = 'pg_type'::regclass AND e.objid = t.oid AND e.deptype = 'e')
UNION ALL
SELECT 'domain constraint', n.nspname, NULL::text, concat(n.nspname, '.', t.typname, '.', k.conname),
       jsonb_build_object(
           'domain condition', pg_get_constraintdef(k.oid),
           'base type', format_type(t.typbasetype, t.typtypmod),
           'validated', k.convalidated,
           'comment', obj_description(k.oid, 'pg_constraint'))
FROM pg_constraint k
JOIN pg_type t ON t.oid = k.contypid
JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE k.contype = 'c'
  AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '_migration_portal')
  AND NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = 'pg_type'::regclass AND e.objid = t.oid AND e.deptype = 'e')
