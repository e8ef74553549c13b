-- Tables, views and sequences of the current database that belong to people, with their size and estimated rows.
WITH blocked AS (
    -- measuring a table waits for whoever holds it exclusively
    SELECT relation FROM pg_locks
     WHERE mode = 'AccessExclusiveLock' AND locktype = 'relation'
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
), members AS (
    SELECT objid FROM pg_depend WHERE classid = 'pg_class'::regclass AND deptype = 'e'
), identified AS (
    SELECT indrelid FROM pg_index WHERE indisprimary
)
SELECT n.nspname::text AS schema, c.relname::text AS name,
       CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view'
                      WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' ELSE 'sequence' END AS kind,
       pg_get_userbyid(c.relowner)::text AS owner,
       CASE WHEN c.relkind NOT IN ('r', 'm') THEN 0::int8
            WHEN c.oid IN (SELECT relation FROM blocked) THEN c.relpages::int8 * current_setting('block_size')::int8
            ELSE coalesce(pg_table_size(c.oid), 0) END AS bytes,
       c.reltuples::int8 AS rows_estimate,
       c.oid IN (SELECT indrelid FROM identified) AS has_primary_key,
       c.relispartition AS is_partition,
       c.relpersistence = 'u' AS is_unlogged,
       c.relrowsecurity AS has_row_security
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
   AND c.relpersistence <> 't'
   AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '_migration_portal')
   AND c.oid NOT IN (SELECT objid FROM members)
 ORDER BY n.nspname, c.relname
