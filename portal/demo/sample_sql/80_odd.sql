-- Everything that a careless tool stumbles over: names, types, values, and tables without columns.
CREATE TABLE "Öd d"."Sp ace" ("co lumn" integer PRIMARY KEY, "ünï" text, "a""b" text, "it's" text, "back\slash" text);
INSERT INTO "Öd d"."Sp ace" VALUES
    (1, 'plain', '', NULL, '\N'), (2, E'tab\tnew\nline\rreturn', '\.', '\\', E'\b\f\v'), (3, 'NULL', '"', '''', '%s %(name)s {}'),
    (4, '👩‍🚀 e' || U&'\0301' || ' ﷽ ' || U&'\+01F9EC', U&'\FEFF\200B', ' leading and trailing ', repeat('x', 3000)), (5, NULL, NULL, NULL, NULL);
CREATE TABLE "Öd d"."a""b" ("select" integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "from" text DEFAULT 'where', "user" name DEFAULT current_user);
INSERT INTO "Öd d"."a""b" ("from", "user") VALUES ('x', 'nobody'), (DEFAULT, 'somebody');
CREATE TABLE "Öd d"."select" ("order" integer REFERENCES "Öd d"."a""b", "Order" integer, "ORDER" integer, "group" integer[][]);
INSERT INTO "Öd d"."select" VALUES (1, 2, 3, '{{1,2},{3,4}}'), (2, NULL, NULL, '[0:1][5:6]={{1,2},{3,4}}'), (NULL, 0, 0, '{}');
CREATE TABLE "Öd d"."MixedCase" ("Id" bigserial PRIMARY KEY, "camelCase" text UNIQUE);
INSERT INTO "Öd d"."MixedCase" ("camelCase") SELECT 'value ' || i FROM generate_series(1, 25) AS i;
CREATE TABLE "Öd d"."a table whose name is exactly sixty-three bytes long, no more.." (n integer);
INSERT INTO "Öd d"."a table whose name is exactly sixty-three bytes long, no more.." VALUES (63);
CREATE TABLE "Öd d"."dots.and,commas;100%$1" (n integer, "{}" text, "%s" text, ":name" text, "?" text);
INSERT INTO "Öd d"."dots.and,commas;100%$1" VALUES (1, 'a', 'b', 'c', 'd');
CREATE INDEX "índex with ""quotes"" 100%" ON "Öd d"."dots.and,commas;100%$1" ("%s", (lower("{}")));
CREATE TABLE "Öd d"."Ελληνικά 表 😀" ("列" text);
INSERT INTO "Öd d"."Ελληνικά 表 😀" VALUES ('値');
CREATE TABLE "Öd d".no_columns ();
INSERT INTO "Öd d".no_columns SELECT FROM generate_series(1, 3);
CREATE TABLE "Öd d".no_rows (id integer PRIMARY KEY, body text);
CREATE TABLE "Öd d".dropped_columns (gone integer, kept text, gone_too text, also_kept integer DEFAULT 4);
INSERT INTO "Öd d".dropped_columns SELECT i, 'kept ' || i, 'gone' FROM generate_series(1, 20) AS i;
ALTER TABLE "Öd d".dropped_columns DROP gone, DROP gone_too, ADD added_later text DEFAULT 'since then';
INSERT INTO "Öd d".dropped_columns (kept) VALUES ('after');
CREATE TYPE "Öd d"."Ty pe" AS ENUM ('a b', 'it''s', '"', 'ü');
CREATE TABLE "Öd d"."of type" OF shop.person (name WITH OPTIONS PRIMARY KEY);
INSERT INTO "Öd d"."of type" SELECT pg_temp.given_name(i) || i, ROW('x', NULL, '', 'DE')::shop.address, NULL FROM generate_series(1, 9) AS i;

-- Every built-in type that can be stored everywhere. reg* columns hold numbers that differ between servers; their names must arrive.
CREATE TABLE "Öd d".every_type (
    id integer PRIMARY KEY, c_int2 int2, c_int8 int8, c_numeric numeric, c_numeric2 numeric(20,5), c_real real, c_double double precision,
    c_bool bool, c_char char(5), c_varchar varchar(9), c_bytea bytea, c_date date, c_time time(3), c_timetz timetz, c_timestamp timestamp,
    c_timestamptz timestamptz, c_interval interval, c_uuid uuid, c_json json, c_jsonb jsonb, c_inet inet, c_cidr cidr, c_macaddr macaddr,
    c_macaddr8 macaddr8, c_point point, c_line line, c_lseg lseg, c_box box, c_path path, c_polygon polygon, c_circle circle, c_bit bit(3),
    c_varbit varbit, c_tsvector tsvector, c_tsquery tsquery, c_int4range int4range, c_numrange numrange, c_tstzrange tstzrange,
    c_money money, c_lsn pg_lsn, c_name name, c_letter "char", c_oid oid, c_xid xid, c_regclass regclass, c_regtype regtype,
    c_regproc regprocedure, c_regconfig regconfig, c_snapshot txid_snapshot, c_enum "Öd d"."Ty pe", c_enums "Öd d"."Ty pe"[],
    c_domain shop.european_country, c_composite shop.person, c_composites shop.address[], c_texts text[], c_jsonbs jsonb[],
    c_ranges int8range[], c_aclitem aclitem
);
INSERT INTO "Öd d".every_type (id) VALUES (1);
INSERT INTO "Öd d".every_type VALUES (2, -32768, 9223372036854775807, 'NaN', -0.00001, 'Infinity', '-0', true, 'é', '', '\x00ff0a5c', 'infinity',
    '24:00', '23:59:59.999999-15:59', '4713-01-01 00:00:00 BC', '-infinity', '-1 year 2 months -3 days 04:05:06.789',
    '00000000-0000-0000-0000-000000000000', '{"a": 1, "a":  2}', '{"a": 1e400, "ü": "\\"}', '::1', '10.0.0.0/8', '08:00:2b:01:02:03',
    '08:00:2b:01:02:03:04:05', '(1e-300,-0)', '{1,-1,0}', '[(0,0),(1,1)]', '(2,2),(0,0)', '[(0,0),(1,1),(2,0)]', '((0,0),(1,1),(1,0))',
    '<(1,2),3.5>', '101', '', '''it''''s'':1A,2B ''back\\slash'':3', '''a'' & !''b'' <-> ''c'':*A', 'empty', '(,1.10)',
    '["2024-01-01 00:00:00+00",)', '-92233720368547758.08', 'FFFFFFFF/FFFFFFFF', 'name', 'x', 4294967295, '4294967295',
    '"Öd d"."Sp ace"', 'shop.address', 'shop.is_sku(text)', 'shop.catalogue', '10:20:10,14,15', 'it''s', '{"a b","\"",NULL}', 'FR',
    ROW('n', ROW('s, "t"', NULL, E'\\', 'DE')::shop.address, '2000-02-29')::shop.person, ARRAY[ROW(NULL, NULL, NULL, NULL)::shop.address, NULL],
    '{NULL,"NULL","","{","a,b","\\\\"}', ARRAY['1'::jsonb, 'null', NULL], '{"[1,5)",empty}', 'shop_reader=r*w/shop_owner');
INSERT INTO "Öd d".every_type (id, c_numeric, c_real, c_double, c_date, c_timestamp, c_interval, c_jsonb, c_regclass)
    VALUES (3, 1e-100 + 12345678901234567890123456789012345678, '1e-45', 1.7976931348623157e308, '4713-01-01 BC', 'infinity',
            '178000000 years', '[1.10, 1.1, "\u00e9", [], {}]', 'shop.orders_id_seq');
\if :v14
\set rounded 'numeric(5,2)'
\if :v15
\set rounded 'numeric(5,-2)'
\endif
CREATE TABLE "Öd d".newer_types (
    r int4multirange, s tstzmultirange, n :rounded, snapshot pg_snapshot, big xid8, route jsonpath);
INSERT INTO "Öd d".newer_types VALUES ('{[1,3),[5,7)}', '{}', 123, '10:20:10,14', '18446744073709551615', '$.a[*] ? (@ > 1)'), (NULL, NULL, NULL, NULL, NULL, NULL);
\endif

RESET ROLE;
-- Owned by whoever builds, in the schema that every database has.
CREATE TABLE public.notes (id serial PRIMARY KEY, body text NOT NULL);
INSERT INTO public.notes (body) SELECT pg_temp.prose(i, 80) FROM generate_series(1, 20) AS i;
GRANT SELECT ON public.notes TO PUBLIC;
SET ROLE shop_owner;
