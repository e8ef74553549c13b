-- Who may connect to a database, as it is stored, and its own setting of default_transaction_read_only.
SELECT pg_catalog.pg_get_userbyid(d.datdba)::text AS owner, d.datacl::text[] AS stored,
       coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))::text[] AS meant,
       (SELECT substr(o, strpos(o, '=') + 1)
          FROM pg_catalog.pg_db_role_setting s CROSS JOIN LATERAL unnest(s.setconfig) o
         WHERE s.setdatabase = d.oid AND s.setrole = 0 AND split_part(o, '=', 1) = 'default_transaction_read_only')
       AS read_only
  FROM pg_catalog.pg_database d
 WHERE d.datname = %(name)s
