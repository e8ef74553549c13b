-- Functions and types in other schemas that tables use in columns, defaults, constraints, triggers, indexes, policies.
WITH uses AS (
    SELECT d.objid AS relation, d.refclassid, d.refobjid, false AS by_policy FROM pg_depend d
     WHERE d.classid = 'pg_class'::regclass AND d.refclassid IN ('pg_type'::regclass, 'pg_proc'::regclass)
    UNION
    SELECT a.adrelid, d.refclassid, d.refobjid, false FROM pg_depend d JOIN pg_attrdef a ON a.oid = d.objid
     WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid IN ('pg_type'::regclass, 'pg_proc'::regclass)
    UNION
    SELECT k.conrelid, d.refclassid, d.refobjid, false FROM pg_depend d JOIN pg_constraint k ON k.oid = d.objid
     WHERE d.classid = 'pg_constraint'::regclass AND d.refclassid IN ('pg_type'::regclass, 'pg_proc'::regclass)
       AND k.conrelid <> 0
    UNION
    SELECT t.tgrelid, d.refclassid, d.refobjid, false FROM pg_depend d JOIN pg_trigger t ON t.oid = d.objid
     WHERE d.classid = 'pg_trigger'::regclass AND d.refclassid = 'pg_proc'::regclass AND NOT t.tgisinternal
    UNION
    SELECT p.polrelid, d.refclassid, d.refobjid, true FROM pg_depend d JOIN pg_policy p ON p.oid = d.objid
     WHERE d.classid = 'pg_policy'::regclass AND d.refclassid = 'pg_proc'::regclass
)
SELECT DISTINCT CASE WHEN u.by_policy THEN 'policy' WHEN u.refclassid = 'pg_type'::regclass THEN 'type'
                     ELSE 'function' END AS kind,
       coalesce(t.typname, p.proname)::text AS object, fn.nspname::text AS schema, coalesce(tab.relname, fc.relname)::text AS name,
       tn.nspname::text AS needed_schema, coalesce(t.typname, p.proname)::text AS needed_name
  FROM uses u
  JOIN pg_class fc ON fc.oid = u.relation
  LEFT JOIN pg_index x ON x.indexrelid = fc.oid
  LEFT JOIN pg_class tab ON tab.oid = x.indrelid
  JOIN pg_namespace fn ON fn.oid = fc.relnamespace
  LEFT JOIN pg_type t ON u.refclassid = 'pg_type'::regclass AND t.oid = u.refobjid
  LEFT JOIN pg_proc p ON u.refclassid = 'pg_proc'::regclass AND p.oid = u.refobjid
  JOIN pg_namespace tn ON tn.oid = coalesce(t.typnamespace, p.pronamespace)
 WHERE tn.oid <> fn.oid AND fc.relkind IN ('r', 'p', 'v', 'm', 'f', 'i', 'I')
   AND tn.nspname NOT IN ('pg_catalog', 'information_schema') AND fn.nspname !~ '^pg_'
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = u.refclassid AND e.objid = u.refobjid AND e.deptype = 'e')
