-- Which server answers: a balanced address leads to another one each time.
SELECT pg_postmaster_start_time()::text AS started_at, coalesce(host(inet_server_addr()), 'socket') AS address
