-- Change some parts and carry the difference to their tables and their database, while the fence is the newest.
WITH run AS MATERIALIZED (
    SELECT id
      FROM migrations_app_run
     WHERE migration_id = %(migration_id)s AND fence = %(fence)s
       FOR KEY SHARE
), wanted AS MATERIALIZED (
    SELECT *
      FROM unnest(%(ids)s::bigint[], %(rows)s::bigint[], %(bytes)s::bigint[]) AS part(id, rows, bytes)
), before AS MATERIALIZED (
    SELECT part.id, part.table_id, part.state, part.rows, part.bytes,
           wanted.rows AS new_rows, wanted.bytes AS new_bytes
      FROM migrations_app_part part
      JOIN wanted ON wanted.id = part.id
     WHERE part.state = ANY (%(from_states)s) AND (%(any_fence)s OR part.fence = %(fence)s)
       AND EXISTS (SELECT FROM run)
     ORDER BY part.id
       FOR UPDATE OF part
), after AS (
    UPDATE migrations_app_part part
       SET state = %(state)s, rows = before.new_rows, bytes = before.new_bytes, error = %(error)s,
           copies = CASE WHEN %(again)s THEN 0 ELSE part.copies + %(copies)s END,
           ended_at = CASE WHEN %(state)s = 'done' THEN statement_timestamp() END
      FROM before
     WHERE part.id = before.id
    RETURNING before.table_id, before.new_rows - before.rows AS rows, before.new_bytes - before.bytes AS bytes,
              (%(state)s = 'done')::int - (before.state = 'done')::int AS done
), per_table AS (
    SELECT table_id, sum(rows)::bigint AS rows, sum(bytes)::bigint AS bytes, sum(done)::int AS done
      FROM after
     GROUP BY table_id
), tables AS (
    UPDATE migrations_app_tablecopy tbl
       SET rows_done = tbl.rows_done + per_table.rows,
           bytes_done = tbl.bytes_done + per_table.bytes,
           parts_done = tbl.parts_done + per_table.done,
           state = CASE
               WHEN tbl.parts_done + per_table.done >= tbl.parts_total THEN 'done'
               WHEN tbl.parts_done + per_table.done > 0 OR %(state)s <> 'todo' THEN 'running'
               ELSE 'todo'
           END,
           error = %(error)s,
           started_at = coalesce(tbl.started_at, statement_timestamp()),
           ended_at = CASE WHEN tbl.parts_done + per_table.done >= tbl.parts_total THEN statement_timestamp() END
      FROM per_table
     WHERE tbl.id = per_table.table_id
    RETURNING tbl.database_id, per_table.rows, per_table.bytes,
              (tbl.parts_done >= tbl.parts_total)::int - (tbl.parts_done - per_table.done >= tbl.parts_total)::int AS done
), per_database AS (
    SELECT database_id, sum(rows)::bigint AS rows, sum(bytes)::bigint AS bytes, sum(done)::int AS done
      FROM tables
     GROUP BY database_id
), databases AS (
    UPDATE migrations_app_migrationdatabase db
       SET rows_done = db.rows_done + per_database.rows,
           bytes_done = db.bytes_done + per_database.bytes,
           tables_done = db.tables_done + per_database.done
      FROM per_database
     WHERE db.id = per_database.database_id
)
SELECT count(*) FROM after
