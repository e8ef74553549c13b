-- Thin the samples of one replication: all of the last 10 minutes, the last of each minute of a day, of each 15 minutes before it.
DELETE FROM migrations_app_replicationsample
WHERE id IN (
    SELECT id
    FROM (
        SELECT
            id,
            at,
            row_number() OVER (
                PARTITION BY
                    at < now() - interval '1 day',
                    floor(extract(epoch FROM at) / CASE WHEN at < now() - interval '1 day' THEN 900 ELSE 60 END)
                ORDER BY at DESC, id DESC
            ) AS place
        FROM migrations_app_replicationsample
        WHERE replication_id = %(replication_id)s AND at < now() - interval '10 minutes'
    ) AS old
    WHERE place > 1 OR at < now() - interval '14 days'
)
