-- Whether this server can mark slots for its standbys, and the standbys' slots that it would wait for in vain.
SELECT pg_catalog.pg_is_in_recovery() AS is_standby,
       coalesce((SELECT array_agg(w.name ORDER BY w.name)
                   FROM (SELECT trim(both ' "' FROM n) AS name
                           FROM unnest(string_to_array(current_setting('synchronized_standby_slots'), ',')) AS n) w
                  WHERE w.name <> ''
                    AND NOT EXISTS (SELECT FROM pg_catalog.pg_replication_slots s
                                     WHERE s.slot_name = w.name AND s.active)), '{}')::text[] AS idle_slots
