-- {large_objects} large objects of 10 kB each.
SELECT count(lo_from_bytea(0, (SELECT string_agg(decode(md5(n || ' lo ' || k), 'hex'), '' ORDER BY k) FROM generate_series(1, 640) k)))
FROM generate_series(1, {large_objects}) n;
