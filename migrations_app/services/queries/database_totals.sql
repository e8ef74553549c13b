-- Count the tables of a database anew: how many, how large.
UPDATE migrations_app_migrationdatabase db
   SET tables_total = total.tables, bytes_total = total.bytes,
       tables_done = total.tables_done, bytes_done = total.bytes_done, rows_done = total.rows_done
  FROM (
    SELECT count(*) AS tables, coalesce(sum(bytes_total), 0) AS bytes,
           count(*) FILTER (WHERE state = 'done') AS tables_done,
           coalesce(sum(bytes_done), 0) AS bytes_done, coalesce(sum(rows_done), 0) AS rows_done
      FROM migrations_app_tablecopy
     WHERE database_id = %(database_id)s
  ) AS total
 WHERE db.id = %(database_id)s
