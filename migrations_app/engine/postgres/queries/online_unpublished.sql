-- What is in the current database and never in a stream of changes: temporary and unlogged tables, large objects.
WITH blocked AS (
    -- measuring a table waits for whoever holds it exclusively
    SELECT relation FROM pg_locks
     WHERE mode = 'AccessExclusiveLock' AND locktype = 'relation'
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
SELECT (SELECT count(*)::int8 FROM pg_class WHERE relpersistence = 't' AND relkind = 'r') AS temporary_tables,
       (SELECT count(*)::int8 FROM pg_largeobject_metadata) AS large_objects,
       pg_table_size('pg_catalog.pg_largeobject') AS large_object_bytes,
       (SELECT coalesce(sum(pg_table_size(oid)), 0)::int8 FROM pg_class
         WHERE relpersistence = 'u' AND relkind = 'r' AND oid NOT IN (SELECT relation FROM blocked)) AS unlogged_bytes
