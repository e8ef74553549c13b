-- The sequences of people that this user may read and that can come to an end: their object ids.
SELECT c.oid::int8 AS oid
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_sequence s ON s.seqrelid = c.oid
 WHERE c.relkind = 'S' AND NOT s.seqcycle AND n.nspname !~ '^pg_'
   AND n.nspname NOT IN ('information_schema', '_migration_portal')
   AND CASE c.relkind WHEN 'S' THEN has_sequence_privilege(c.oid, 'SELECT') END
   AND (c.relpersistence = 'p' OR NOT pg_is_in_recovery()) AND c.relpersistence <> 't'
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
 ORDER BY 1
