-- What tables and views need of other relations: foreign keys, parents, views' tables, sequences of defaults.
SELECT 'foreign key' AS kind, k.conname::text AS object, fn.nspname::text AS schema, fc.relname::text AS name,
       tn.nspname::text AS needed_schema, tc.relname::text AS needed_name
  FROM pg_constraint k
  JOIN pg_class fc ON fc.oid = k.conrelid JOIN pg_namespace fn ON fn.oid = fc.relnamespace
  JOIN pg_class tc ON tc.oid = k.confrelid JOIN pg_namespace tn ON tn.oid = tc.relnamespace
 WHERE k.contype = 'f' AND k.conislocal
UNION ALL
SELECT CASE WHEN fc.relispartition THEN 'partition' ELSE 'inheritance' END, fc.relname::text, fn.nspname::text,
       fc.relname::text, tn.nspname::text, tc.relname::text
  FROM pg_inherits i
  JOIN pg_class fc ON fc.oid = i.inhrelid JOIN pg_namespace fn ON fn.oid = fc.relnamespace
  JOIN pg_class tc ON tc.oid = i.inhparent JOIN pg_namespace tn ON tn.oid = tc.relnamespace
 WHERE fc.relkind IN ('r', 'p', 'f')
UNION ALL
SELECT DISTINCT 'view', fc.relname::text, fn.nspname::text, fc.relname::text, tn.nspname::text, tc.relname::text
  FROM pg_rewrite w
  JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
  JOIN pg_class fc ON fc.oid = w.ev_class JOIN pg_namespace fn ON fn.oid = fc.relnamespace
  JOIN pg_class tc ON tc.oid = d.refobjid JOIN pg_namespace tn ON tn.oid = tc.relnamespace
 WHERE w.ev_class <> d.refobjid AND fc.relkind IN ('v', 'm') AND tc.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
   AND tn.nspname <> 'pg_catalog' AND tn.nspname <> 'information_schema'
UNION ALL
SELECT DISTINCT 'default', fc.relname::text, fn.nspname::text, fc.relname::text, tn.nspname::text, tc.relname::text
  FROM pg_attrdef a
  JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = a.oid AND d.refclassid = 'pg_class'::regclass
  JOIN pg_class fc ON fc.oid = a.adrelid JOIN pg_namespace fn ON fn.oid = fc.relnamespace
  JOIN pg_class tc ON tc.oid = d.refobjid JOIN pg_namespace tn ON tn.oid = tc.relnamespace
 WHERE tc.relkind = 'S'
   AND NOT EXISTS (SELECT FROM pg_depend o
                    WHERE o.classid = 'pg_class'::regclass AND o.objid = tc.oid
                      AND o.refclassid = 'pg_class'::regclass AND o.refobjid = fc.oid AND o.deptype IN ('a', 'i'))
