-- Partitioned tables with the number of their partitions and indexes, all of which one statement may lock.
WITH RECURSIVE tree AS (
    SELECT oid AS root, oid AS member FROM pg_class WHERE relkind = 'p' AND NOT relispartition
    UNION ALL
    SELECT t.root, i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = t.member
), counted AS (
    SELECT t.root, count(*) + coalesce(sum(x.indexes), 0) AS members
      FROM tree t
      LEFT JOIN (SELECT indrelid, count(*) AS indexes FROM pg_index GROUP BY 1) x ON x.indrelid = t.member
     GROUP BY 1
)
SELECT n.nspname::text AS schema, c.relname::text AS name, counted.members::int8 AS members
  FROM counted
  JOIN pg_class c ON c.oid = counted.root
  JOIN pg_namespace n ON n.oid = c.relnamespace
