-- The collations that every new database of this server has.
SELECT n.nspname::text AS schema, c.collname::text AS name, c.collprovider::text AS provider,
       CASE WHEN c.collencoding >= 0 THEN pg_encoding_to_char(c.collencoding)::text END AS encoding,
       c.collcollate::text AS collate, c.collctype::text AS ctype, coalesce(c.colllocale, c.collcollate)::text AS locale
  FROM pg_collation c
  JOIN pg_namespace n ON n.oid = c.collnamespace
 WHERE n.nspname = 'pg_catalog'
