-- A column of every type, with the values that versions print differently; and tables of every kind.
CREATE SCHEMA "Odd Näme";
SET search_path = "Odd Näme", public;
CREATE EXTENSION hstore SCHEMA public;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'hap"py');
CREATE TYPE pt AS (x float8, n text, p point);
CREATE TYPE nest AS (a pt, arr float4[], m money);
CREATE TYPE frange AS RANGE (subtype = float8);
CREATE DOMAIN posf AS float8 CHECK (VALUE > 0);
CREATE DOMAIN blanks AS bpchar;
CREATE TYPE custom AS (a int, b text);
CREATE FUNCTION same_text(custom) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'always the same'::text $$;
CREATE CAST (custom AS text) WITH FUNCTION same_text(custom);
CREATE DOMAIN farr AS float8[];
CREATE TABLE "All ""types""" (
    id int, f4 float4, f8 float8, f8a float8[], f4a float4[][], pf posf, pfa farr, mon money, mona money[], ch "char",
    cha "char"[], c10 char(10), nam name, t text, vc varchar(20), n numeric, na numeric(10,3)[], b bytea, bits bit(5),
    vbits varbit, bo boolean, d date, tm time, ttz timetz, ts timestamp, tstz timestamptz, iv interval, tsr tsrange,
    tstzr tstzrange, i4r int4range, fr frange, fra frange[], j json, jb jsonb, tv tsvector, tq tsquery, u uuid,
    ine inet, ci cidr, mac macaddr, mac8 macaddr8, p point, l line, ls lseg, bx box, bxa box[], pa path, po polygon,
    circ circle, md mood, mda mood[], comp pt, compa pt[], ne nest, rc regclass, rp regproc, rty regtype, rr regrole,
    rn regnamespace, o oid, xi xid, lsn pg_lsn, ac aclitem[], iv2 int2vector, bya bytea[], hs public.hstore,
    bp bpchar, bpd blanks, cu custom);
INSERT INTO "All ""types"""
SELECT i,
    (array[0.1::float8, 1e10, 'NaN', 'Infinity', '-0', 1.17549e-38, 3.14159274])[1 + i % 7]::float4,
    (array[0.1::float8, 1e300, 'NaN', '-Infinity', '-0', 2.2250738585072014e-308, 3.141592653589793, 1.0/3])[1 + i % 8],
    CASE WHEN i % 5 = 0 THEN NULL WHEN i % 5 = 1 THEN '{}' ELSE array[i/3.0, 'NaN', NULL, i]::float8[] END,
    array[[i/7.0, 2], [3, 4]]::float4[], i/3.0 + 1, array[i/9.0, 0.1], (i * 1.01)::numeric::money,
    array[i::money, null], chr(65 + i % 50)::"char", array['a', 'b', chr(60 + i % 60)]::"char"[], 'ab' || i, 'nm' || i,
    E'täxt "quo\\te" \n' || i, repeat('é', i % 20), i/7.0, array[i/3.0, 0.001], decode(md5(i::text), 'hex'), i::bit(5),
    i::bit(9)::varbit, i % 2 = 0, date '2000-01-01' + i * 1000, time '01:02:03.04' + i * interval '1.001s',
    timetz '12:00+03', timestamp '2020-02-29 00:00:00.000001' + i * interval '1 mon 1.5s',
    CASE WHEN i % 7 = 0 THEN 'infinity' ELSE timestamptz '1850-01-01 BC' + i * interval '13h' END,
    interval '1 mon -3 day 04:05:06.789' * (i - 25), tsrange(timestamp '2020-01-01', NULL), tstzrange(NULL, 'infinity'),
    int4range(i, i + 3),
    CASE WHEN i % 3 = 0 THEN 'empty' WHEN i % 3 = 1 THEN NULL ELSE frange(i/3.0, i, '(]') END,
    array[frange(0.1, NULL), NULL, 'empty'], '{"b": 1.10,  "a":[1,2]}', '{"b": 1.10,  "a":[1,2, 1e5], "ü":"\u00e9"}',
    'fat:2A cat:3 x''y', 'fat & (cat | !rat) <-> dog:*', md5(i::text)::uuid, '10.0.0.1/8', '10.0.0.0/8',
    '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', point(i/3.0, 0.1), '{1.1,2.2,3.3}', '[(0.1,0.2),(3,4)]',
    box(point(i/7.0, 1), point(0, 0)), array[box '((0.1,0.2),(0,0))', null], '[(0,0.1),(1,1),(2,0)]',
    '((0,0.1),(1,1),(2,0))', '<(0.1,0.2),3.3>', (array['sad', 'ok', 'hap"py'])[1 + i % 3]::mood,
    array['sad', NULL]::mood[],
    CASE WHEN i % 4 = 0 THEN NULL WHEN i % 4 = 1 THEN ROW(NULL, NULL, NULL)::pt
         ELSE ROW(i/3.0, 'a,"b', point(0.1, i/3.0))::pt END,
    array[ROW(i/3.0, 'x', NULL)::pt, NULL], ROW(ROW(0.1, 'n', '(1,0.1)')::pt, array[0.1, i/3.0], i::money)::nest,
    '"All ""types"""'::regclass, 'pg_catalog.now'::regproc, 'mood'::regtype, 'postgres'::regrole,
    '"Odd Näme"'::regnamespace, 1234 + i, i::text::xid, '16/B374D848', array['postgres=r/postgres'::aclitem], '1 2 3',
    array['\x01ff', '\x'::bytea], public.hstore('k', i::text),
    'x' || repeat(' ', i % 3), 'y' || repeat(' ', i % 3), ROW(i, 'a' || i)::custom
FROM generate_series(1, 50) i;
-- What a processor makes of infinity minus infinity is another not-a-number than the one that is read from text.
INSERT INTO "All ""types""" (id, f8, f8a, f4, p)
VALUES (1000, 'Infinity'::float8 - 'Infinity', array['Infinity'::float8 - 'Infinity'], 'Infinity'::float4 - 'Infinity',
        point('NaN', 'Infinity'::float8 - 'Infinity'));
CREATE TABLE nocols ();
ALTER TABLE nocols ADD z int;
INSERT INTO nocols VALUES (1), (2);
ALTER TABLE nocols DROP z;
CREATE TABLE par (a int, s text);
CREATE TABLE chi (c int) INHERITS (par);
INSERT INTO par VALUES (1, 'p'), (2, 'q');
INSERT INTO chi VALUES (3, 'c', 4);
CREATE TABLE pt_r (k int, v text) PARTITION BY RANGE (k);
CREATE TABLE pt_1 PARTITION OF pt_r FOR VALUES FROM (0) TO (100);
CREATE TABLE pt_2 PARTITION OF pt_r FOR VALUES FROM (100) TO (1000);
INSERT INTO pt_r SELECT i, md5(i::text) FROM generate_series(0, 999) i;
CREATE UNLOGGED TABLE unl AS SELECT i, i::float8 / 3 AS f FROM generate_series(1, 1000) i;
