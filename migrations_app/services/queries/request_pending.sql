-- Ask who owns the run of a migration, and for the oldest request for one of its databases that has not ended.
SELECT run.fence, request.id, request.kind, request.verification, request.reopen_source, request.subject, request.may_drop
FROM migrations_app_run AS run
LEFT JOIN LATERAL (
    SELECT id, kind, verification, reopen_source, subject, may_drop
    FROM migrations_app_replicationrequest
    WHERE database_id = %(database_id)s AND ended_at IS NULL
    ORDER BY id
    LIMIT 1
) AS request ON true
WHERE run.migration_id = %(migration_id)s
