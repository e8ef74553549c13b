-- Hand out the heaviest part of a database that nobody has, while the fence is the newest.
WITH run AS MATERIALIZED (
    SELECT id
      FROM migrations_app_run
     WHERE migration_id = %(migration_id)s AND fence = %(fence)s
       FOR KEY SHARE
), heaviest AS MATERIALIZED (
    SELECT id
      FROM migrations_app_part
     WHERE database_id = %(database_id)s AND state = 'todo' AND EXISTS (SELECT FROM run)
     ORDER BY weight_bytes DESC, id
     LIMIT 1
       FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE migrations_app_part part
       SET state = 'running', fence = %(fence)s, attempts = part.attempts + 1, error = '',
           started_at = statement_timestamp(), ended_at = NULL
      FROM heaviest
     WHERE part.id = heaviest.id
    RETURNING part.id, part.table_id, part.number, part.attempts
), started AS (
    UPDATE migrations_app_tablecopy tbl
       SET state = 'running', started_at = coalesce(tbl.started_at, statement_timestamp())
      FROM claimed
     WHERE tbl.id = claimed.table_id AND tbl.state <> 'running'
)
SELECT id, table_id, number, attempts FROM claimed
