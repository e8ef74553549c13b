-- Collations that people defined in the current database, or that their columns, indexes and types use.
WITH used AS (
    SELECT refobjid AS collation, count(*) AS uses, min(ARRAY[classid::int8, objid::int8, objsubid]) AS first
      FROM pg_depend
     WHERE refclassid = 'pg_collation'::regclass AND deptype = 'n'
     GROUP BY 1
)
SELECT n.nspname::text AS schema, c.collname::text AS name, c.collprovider::text AS provider,
       c.collcollate::text AS collate, c.collctype::text AS ctype, coalesce(c.colliculocale, c.collcollate)::text AS locale,
       coalesce(u.uses, 0) AS uses,
       pg_describe_object(u.first[1]::oid, u.first[2]::oid, u.first[3]::int) AS example
  FROM pg_collation c
  JOIN pg_namespace n ON n.oid = c.collnamespace
  LEFT JOIN used u ON u.collation = c.oid
 WHERE (n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        AND NOT EXISTS (SELECT FROM pg_depend d
                         WHERE d.classid = 'pg_collation'::regclass AND d.objid = c.oid AND d.deptype = 'e'))
    OR (n.nspname = 'pg_catalog' AND u.uses > 0)
