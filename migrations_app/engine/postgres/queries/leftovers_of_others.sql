-- Whether another migration has a slot in this database, and whether the database carries notes of any migration.
SELECT EXISTS (SELECT FROM pg_catalog.pg_replication_slots
                WHERE database = pg_catalog.current_database() AND slot_name LIKE 'pgmig\_%%'
                  AND left(slot_name, length(%(prefix)s)) <> %(prefix)s) AS slots,
       to_regclass('_migration_portal.run') IS NOT NULL AS has_notes
