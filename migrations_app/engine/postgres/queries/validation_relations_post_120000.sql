-- Relations of people in the current database, and what the current user may do with each.
WITH members AS (
    SELECT d.objid, d.refobjid AS extension FROM pg_depend d
     WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
), data_of_extensions AS (
    SELECT unnest(extconfig) AS objid FROM pg_extension
)
SELECT c.oid::int8 AS oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind,
       pg_get_userbyid(c.relowner)::text AS owner,
       c.relpersistence = 'u' AS is_unlogged, c.relispartition AS is_partition, false AS has_oids,
       c.relrowsecurity AND row_security_active(c.oid) AS hides_rows, c.relforcerowsecurity AS forces_row_security,
       pg_has_role(c.relowner, 'USAGE') AS has_rights_of_owner,
       CASE c.relkind WHEN 'S' THEN has_sequence_privilege(c.oid, 'SELECT')
                      ELSE has_table_privilege(c.oid, 'SELECT') END AS may_select,
       has_schema_privilege(n.oid, 'USAGE') AS may_use_schema,
       t.spcname::text AS tablespace
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_tablespace t ON t.oid = c.reltablespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
   AND c.relpersistence <> 't'
   AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '_migration_portal')
   AND (c.oid NOT IN (SELECT objid FROM members) OR c.oid IN (SELECT objid FROM data_of_extensions))
 ORDER BY n.nspname, c.relname
