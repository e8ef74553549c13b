-- Indexes, those that belong to a constraint too.
SELECT 'index', n.nspname, c.relname, concat(n.nspname, '.', x.relname),
       jsonb_build_object(
           'definition', pg_get_indexdef(x.oid),
           'head', concat('CREATE ', CASE WHEN i.indisunique THEN 'UNIQUE ' END, 'INDEX ', quote_ident(x.relname), ' ON ',
                          CASE x.relkind WHEN 'I' THEN 'ONLY ' END,
                          quote_ident(n.nspname), '.', quote_ident(c.relname)),
           'valid', i.indisvalid,
           'clustered on', i.indisclustered,
           'part of', (SELECT p.inhparent::regclass::text FROM pg_inherits p WHERE p.inhrelid = x.oid),
           'statistics targets', (SELECT array_agg(coalesce(nullif(a.attstattarget, -1), -1) ORDER BY a.attnum)
                                  FROM pg_attribute a WHERE a.attrelid = x.oid),
           'owner', pg_get_userbyid(x.relowner),
           'comment', obj_description(x.oid, 'pg_class'))
FROM pg_index i
JOIN pg_class x ON x.oid = i.indexrelid
JOIN pg_class c ON c.oid = i.indrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm')
  AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '_migration_portal')
  AND NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = 'pg_class'::regclass AND e.objid IN (c.oid, x.oid) AND e.deptype = 'e')
