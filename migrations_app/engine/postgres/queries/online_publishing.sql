-- Whether the current user may create a publication in the current database.
SELECT has_database_privilege(current_database(), 'CREATE') AS may_create
