-- Settings that ALTER DATABASE … SET and ALTER ROLE … SET gave, one row each.
SELECT d.datname::text AS database, r.rolname::text AS role, split_part(c.entry, '=', 1) AS name,
       substr(c.entry, strpos(c.entry, '=') + 1) AS value
  FROM pg_db_role_setting s
  CROSS JOIN LATERAL unnest(s.setconfig) AS c (entry)
  LEFT JOIN pg_database d ON d.oid = s.setdatabase
  LEFT JOIN pg_roles r ON r.oid = s.setrole
 ORDER BY 1, 2, 3
