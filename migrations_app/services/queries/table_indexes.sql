-- Store how many indexes tables have, how many are built, and which are being built.
UPDATE migrations_app_tablecopy tbl
   SET indexes_total = new.total, indexes_done = new.built, index_now = new.now
  FROM unnest(%(databases)s::uuid[], %(schemas)s::text[], %(names)s::text[],
              %(totals)s::int[], %(built)s::int[], %(now)s::text[]) AS new(database_id, schema, name, total, built, now)
 WHERE tbl.database_id = new.database_id AND tbl.schema = new.schema AND tbl.name = new.name
