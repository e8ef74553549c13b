-- The roles that own something in the current database, or were granted something.
SELECT r.rolname::text AS name, bool_or(d.deptype = 'o') AS owns
  FROM pg_shdepend d
  JOIN pg_roles r ON r.oid = d.refobjid
 WHERE d.refclassid = 'pg_authid'::regclass
   AND (d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
        OR (d.classid = 'pg_database'::regclass
            AND d.objid = (SELECT oid FROM pg_database WHERE datname = current_database())))
 GROUP BY r.rolname
 ORDER BY r.rolname
