-- Constraints of tables; those that a partition has only because its parent has them move with the parent's.
SELECT 'constraint', n.nspname, c.relname, concat(n.nspname, '.', c.relname, '.', k.conname),
       jsonb_build_object(
           'kind', k.contype,
           'definition', CASE WHEN k.contype <> 'c' THEN pg_get_constraintdef(k.oid) END,
           'condition', CASE WHEN k.contype = 'c' THEN pg_get_expr(k.conbin, k.conrelid) END,
           'validated', k.convalidated,
           'enforced', k.conenforced, -- [18+]
           'enforced', true, -- [<18]
           'no inherit', CASE WHEN k.contype = 'c' THEN k.connoinherit END,
           'deferrable', k.condeferrable,
           'initially deferred', k.condeferred,
           'comment', obj_description(k.oid, 'pg_constraint'))
FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE k.contype <> 't' AND (k.contype <> 'n' OR %(oldest)s::int >= 18)
  AND NOT (k.contype = 'f' AND k.conparentid <> 0) -- [11+]
  AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '_migration_portal')
  AND NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
