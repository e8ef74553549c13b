-- What CREATE DATABASE needs to make the same database again.
SELECT pg_catalog.pg_encoding_to_char(encoding) AS encoding, datcollate, datctype, datlocprovider AS provider, daticulocale AS locale,
       NULL AS icu_rules, pg_catalog.pg_get_userbyid(datdba) AS owner, datconnlimit, datistemplate, datacl::text[] AS acl,
       pg_catalog.shobj_description(oid, 'pg_database') AS comment
FROM pg_catalog.pg_database WHERE datname = %(name)s
