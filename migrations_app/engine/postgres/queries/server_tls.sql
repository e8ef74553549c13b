-- The encryption of this session as the server sees it.
SELECT ssl AS in_use, version, cipher, bits FROM pg_stat_ssl WHERE pid = pg_backend_pid()
