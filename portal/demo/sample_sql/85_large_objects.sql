-- Large objects: small, empty, larger than a megabyte, with another owner, grants and comments; some rows refer to them.
SELECT CASE WHEN i = 1 THEN lo_create(0) ELSE lo_from_bytea(0, decode(repeat(md5('scan ' || i), 1 + i * 40), 'hex')) END AS scan
FROM generate_series(1, 6) AS i;
UPDATE library.documents AS d SET scan = l.oid
FROM (SELECT oid, row_number() OVER (ORDER BY oid) AS number FROM pg_largeobject_metadata
      WHERE lomowner = (SELECT oid FROM pg_roles WHERE rolname = 'shop_owner')) AS l
WHERE d.id = l.number;

SELECT lo_from_bytea(0, decode(string_agg(md5(:seed || ' film ' || n), ''), 'hex')) AS film
FROM generate_series(1, 75000 + 1000 * least(:k, 1000)) AS n \gset
SELECT lo_create(0) AS sparse \gset
SELECT lo_put(:sparse, 0, 'begin'::bytea), lo_put(:sparse, 100000, 'end'::bytea);
UPDATE library.documents SET scan = :film WHERE id = 10;
GRANT SELECT ON LARGE OBJECT :film TO shop_reader;
GRANT SELECT, UPDATE ON LARGE OBJECT :film TO shop_app WITH GRANT OPTION;
COMMENT ON LARGE OBJECT :film IS 'More than a megabyte; it''s a film';
GRANT SELECT ON LARGE OBJECT :sparse TO PUBLIC;
RESET ROLE;
SELECT lo_from_bytea(0, 'belongs to whoever built the sample'::bytea) AS own \gset
COMMENT ON LARGE OBJECT :own IS 'Ünï';
SET ROLE shop_owner;
