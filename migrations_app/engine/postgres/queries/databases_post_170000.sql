-- Every database but template0 and template1, with what CREATE DATABASE would need to make the same again.
SELECT d.oid::int8 AS oid, d.datname::text AS name, r.rolname::text AS owner, pg_encoding_to_char(d.encoding) AS encoding,
       d.datcollate::text AS collate, d.datctype::text AS ctype, CASE d.datlocprovider WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END AS locale_provider, d.datlocale::text AS locale,
       d.datcollversion AS collation_version, d.datistemplate AS is_template, d.datallowconn AS allows_connections,
       d.datconnlimit AS connection_limit, t.spcname::text AS tablespace,
       has_database_privilege(d.oid, 'CONNECT') AS may_connect,
       pg_has_role(d.datdba, 'USAGE') AS is_owner,
       CASE WHEN has_database_privilege(d.oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE')
            THEN pg_database_size(d.oid) END AS size_bytes
  FROM pg_database d
  LEFT JOIN pg_roles r ON r.oid = d.datdba
  LEFT JOIN pg_tablespace t ON t.oid = d.dattablespace
 WHERE d.datname NOT IN ('template0', 'template1')
 ORDER BY d.datname
