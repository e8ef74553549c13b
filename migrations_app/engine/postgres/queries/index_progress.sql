-- Phase and progress of the index that each of our sessions builds; tuples where they are counted, else blocks.
SELECT a.application_name, p.phase,
       CASE WHEN p.tuples_total > 0 THEN p.tuples_done ELSE p.blocks_done END,
       CASE WHEN p.tuples_total > 0 THEN p.tuples_total ELSE p.blocks_total END
FROM pg_catalog.pg_stat_progress_create_index p
JOIN pg_catalog.pg_stat_activity a USING (pid)
WHERE left(a.application_name, length(%(prefix)s)) = %(prefix)s
