-- Columns of tables, views, materialized views and foreign tables, in the order of each relation.
SELECT 'column', n.nspname, c.relname, concat(n.nspname, '.', c.relname, '.', a.attname),
       jsonb_build_object(
           'position', CASE WHEN c.relispartition OR NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = c.oid)
                            THEN a.position END,
           'type', format_type(a.atttypid, a.atttypmod),
           'not null', a.attnotnull,
           'collation', CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::regcollation::text END, -- [13+]
           'collation', CASE WHEN a.attcollation <> t.typcollation THEN ( -- [<13]
               SELECT CASE WHEN ln.nspname = 'pg_catalog' THEN quote_ident(l.collname) -- [<13]
                           ELSE concat(quote_ident(ln.nspname), '.', quote_ident(l.collname)) END -- [<13]
               FROM pg_collation l JOIN pg_namespace ln ON ln.oid = l.collnamespace WHERE l.oid = a.attcollation) END, -- [<13]
           'default', pg_get_expr(d.adbin, d.adrelid),
           'identity', nullif(a.attidentity, ''),
           'generated', nullif(a.attgenerated, ''), -- [12+]
           'storage', a.attstorage,
           'compression', nullif(a.attcompression, ''), -- [14+]
           'statistics target', nullif(a.attstattarget, -1),
           'options', CASE WHEN a.attoptions IS NOT NULL THEN (SELECT array_agg(o ORDER BY o) FROM unnest(a.attoptions) o) END,
           'foreign options', CASE WHEN a.attfdwoptions IS NOT NULL THEN (SELECT array_agg(o ORDER BY o) FROM unnest(a.attfdwoptions) o) END,
           'grants', a.attacl::text[],
           'owner of the table', pg_get_userbyid(c.relowner),
           'comment', s.description)
FROM (SELECT a.*, row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum) AS position
      FROM pg_attribute a WHERE a.attnum > 0 AND NOT a.attisdropped) a
JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN pg_description s ON s.objoid = c.oid AND s.classoid = 'pg_class'::regclass AND s.objsubid = a.attnum
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '_migration_portal')
  AND NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
