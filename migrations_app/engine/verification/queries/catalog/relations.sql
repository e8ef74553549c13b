-- Tables, views, materialized views, foreign tables and sequences, without their columns.
SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table'
                      WHEN 'S' THEN 'sequence definition' ELSE 'table definition' END,
       n.nspname,
       CASE WHEN c.relkind = 'S' THEN (
           SELECT t.relname FROM pg_depend d JOIN pg_class t ON t.oid = d.refobjid
           WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass
             AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0)
           ELSE c.relname END,
       concat(n.nspname, '.', c.relname),
       jsonb_build_object(
           'kind', CASE c.relkind WHEN 'p' THEN 'partitioned' END,
           'owner', pg_get_userbyid(c.relowner),
           'grants', coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))::text[],
           'comment', obj_description(c.oid, 'pg_class'),
           'persistence', CASE c.relpersistence WHEN 'u' THEN 'unlogged' WHEN 'p' THEN 'permanent' END,
           'options', CASE WHEN c.reloptions IS NOT NULL THEN (SELECT array_agg(o ORDER BY o) FROM unnest(c.reloptions) o) END,
           'options of its TOAST table', (SELECT array_agg(o ORDER BY o) FROM pg_class toast, unnest(toast.reloptions) o
                                          WHERE toast.oid = c.reltoastrelid),
           'row security', c.relrowsecurity,
           'forced row security', c.relforcerowsecurity,
           'replica identity', CASE c.relreplident WHEN 'i' THEN (
               SELECT concat('index ', x.relname) FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
               WHERE i.indrelid = c.oid AND i.indisreplident) ELSE c.relreplident::text END,
           'type', CASE WHEN c.reloftype <> 0 THEN c.reloftype::regtype::text END,
           'parents', (SELECT array_agg(p.inhparent::regclass::text ORDER BY p.inhseqno)
                       FROM pg_inherits p WHERE p.inhrelid = c.oid),
           'partition key', CASE c.relkind WHEN 'p' THEN pg_get_partkeydef(c.oid) END,
           'partition bound', pg_get_expr(c.relpartbound, c.oid),
           'access method', (SELECT am.amname FROM pg_am am WHERE am.oid = c.relam AND c.relkind IN ('r', 'm')), -- [12+]
           'with OIDs', c.relhasoids, -- [<12]
           'with OIDs', false, -- [12+]
           'filled', CASE c.relkind WHEN 'm' THEN c.relispopulated END,
           'definition', CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END,
           'server', (SELECT s.srvname FROM pg_foreign_table f JOIN pg_foreign_server s ON s.oid = f.ftserver
                      WHERE f.ftrelid = c.oid),
           'foreign options', (SELECT array_agg(o ORDER BY o) FROM pg_foreign_table f, unnest(f.ftoptions) o
                               WHERE f.ftrelid = c.oid))
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
  AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '_migration_portal')
  AND NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
