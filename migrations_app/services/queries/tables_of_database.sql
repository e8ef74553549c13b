-- The tables of a database with their copy plans, the largest first.
SELECT id, schema, name, bytes_total, rows_estimate, plan
  FROM migrations_app_tablecopy
 WHERE database_id = %(database_id)s
 ORDER BY bytes_total DESC, id
