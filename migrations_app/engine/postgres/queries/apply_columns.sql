-- The columns of the table that changes are applied to; `by_input` is false where a cast of the user's own would read text.
WITH RECURSIVE kinds AS (
    SELECT a.attnum, a.atttypid AS type FROM pg_attribute a
     WHERE a.attrelid = %(oid)s::int8::oid AND a.attnum > 0 AND NOT a.attisdropped
    UNION
    SELECT k.attnum, t.typbasetype FROM kinds k JOIN pg_type t ON t.oid = k.type WHERE t.typtype = 'd'
)
SELECT a.attname::text AS name, format_type(a.atttypid, -1) AS type, a.atttypid::int8 AS type_oid,
       a.attidentity = 'a' AS always_identity, false AS generated,
       NOT EXISTS (SELECT FROM kinds k JOIN pg_cast c ON c.casttarget = k.type
                    WHERE k.attnum = a.attnum AND c.castsource = 'text'::regtype AND c.castmethod = 'f'
                      AND c.oid >= 16384) AS by_input,
       a.atttypmod AS modifier, (SELECT b.typname::text FROM kinds k JOIN pg_type b ON b.oid = k.type
                                  WHERE k.attnum = a.attnum AND b.typtype <> 'd') AS base_name,
       a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AS demanded
  FROM pg_attribute a
 WHERE a.attrelid = %(oid)s::int8::oid AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attnum
