-- Names the server's version, the number of rows, and the functions that draw the same data from a seed on every version.
-- Needs the psql variables seed and k (the scale); everything runs in one transaction.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET standard_conforming_strings = on;
SET timezone = 'UTC';
SET synchronous_commit = off;
SET maintenance_work_mem = '64MB';
SET work_mem = '32MB';
SET search_path = pg_catalog;

SELECT :SERVER_VERSION_NUM >= 110000 AS v11, :SERVER_VERSION_NUM >= 120000 AS v12, :SERVER_VERSION_NUM >= 130000 AS v13,
       :SERVER_VERSION_NUM >= 140000 AS v14, :SERVER_VERSION_NUM >= 150000 AS v15, :SERVER_VERSION_NUM >= 160000 AS v16,
       :SERVER_VERSION_NUM >= 170000 AS v17, :SERVER_VERSION_NUM >= 180000 AS v18 \gset

SELECT 600 * :k AS customers, least(240 * :k, 40000) AS products, 2400 * :k AS orders, 1200 * :k AS reviews,
       1500 * :k AS scans, 2000 * :k AS movements, 3000 * :k AS events, least(40 * :k, 20000) AS employees,
       least(60 * :k, 30000) AS documents, 100 + 10 * :k AS reservations \gset

-- A hash instead of random(), whose sequence differs between versions. Each argument occurs once, so that calls are inlined.
SELECT format(
    'CREATE FUNCTION pg_temp.draw(i bigint, salt int, below int) RETURNS int LANGUAGE sql IMMUTABLE AS %L',
    'SELECT (hashint8(i + salt * 1000003::bigint + ' || :seed || ' * 7368787::bigint) & 2147483647) % below') \gexec
CREATE FUNCTION pg_temp.one_of(choices text[], i bigint, salt int) RETURNS text LANGUAGE sql IMMUTABLE AS
    'SELECT choices[1 + pg_temp.draw(i, salt, array_length(choices, 1))]';
CREATE FUNCTION pg_temp.given_name(i bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT pg_temp.one_of('{Ada,Björn,Chloé,Dmitri,Éloïse,Fatima,Grzegorz,Hồng,Ingrid,Jürgen,Katarzyna,Łukasz,María,Noël,Ólafur,'
        'Pınar,Quentin,Renée,Søren,Þóra,Ursula,Véronique,William,Xiulan,Yusuf,Zoë,Алексей,Ольга,Γιώργος,Ελένη,美咲,健太,王芳,李伟,'
        '민준,지우,محمد,ليلى,דוד,नेहा,Nguyễn,Siân,O''Brien,Anne-Marie}'::text[], i, 11) $$;
CREATE FUNCTION pg_temp.family_name(i bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT pg_temp.one_of('{Müller,García,Ivanov,O''Neill,Šimek,Çelik,Nowak,Rossi,Dubois,Andersson,Jóhannsdóttir,Papadopoulos,'
        'Иванова,Шевченко,佐藤,鈴木,张,김,Haddad,Cohen,Sharma,Trần,van der Berg,MacDonald,D''Angelo,Kovács,Ionescu,Petrović,'
        'Virtanen,Sørensen,Smith,Jones,Lee,Brown}'::text[], i, 12) $$;
CREATE FUNCTION pg_temp.kind_of_thing(i bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT pg_temp.one_of('{light,warm,dry,rugged,quiet,steep,northern,woven,folding,storm,winter,alpine,coastal,double,spare,'
        'patched,waxed,silent,bright,naïve}'::text[], i, 15) $$;
CREATE FUNCTION pg_temp.thing(i bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT pg_temp.one_of('{lantern,compass,rope,kettle,tent,boots,jacket,gloves,axe,stove,map,bottle,pack,hammock,whistle,'
        'canoe,poncho,crampons,thermos,smörgåsbord}'::text[], i, 16) $$;
CREATE FUNCTION pg_temp.product_name(i bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT initcap(pg_temp.kind_of_thing(i) || ' ' || pg_temp.one_of('{canvas,merino,granite,brass,trail,river,summit,harbour}', i, 17)
        || ' ' || pg_temp.thing(i)) $$;
CREATE FUNCTION pg_temp.phrase(i bigint, salt int) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT pg_temp.one_of('{"It kept the rain out for three days.","Packs small, weighs little.","The zip broke on day two.",'
        '"Größe stimmt, Farbe nicht.","Works as described;","I would buy it again,","Très chaud, même à −10 °C.",'
        '"my dog likes it too.","Отличная вещь!","軽くて暖かい。","Somewhat stiff at first","and then it fits like a glove.",'
        '"Not for winter.","Arrived in a box twice its size.","Five stars 👍 from the 🏔️ hut.","honest value","Leaks at the seam,",'
        '"repaired free of charge.","The manual is in Swedish.","Smells of tar, in a good way.","Better than the old one",'
        '"worse than the photo.","Carried it over the pass in a storm.","Quiet stove, loud kettle.","Quote: \"it just works\"",'
        '"100% wool, 0% itch","back\\slash and\ttab","Keeps tea hot until noon."}'::text[], i, salt) $$;
-- Prose of so many characters, at most about 300.
CREATE FUNCTION pg_temp.prose(i bigint, characters int) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT left(pg_temp.phrase(i, 201) || ' ' || pg_temp.phrase(i, 202) || ' ' || pg_temp.phrase(i, 203) || ' '
        || pg_temp.phrase(i, 204) || ' ' || pg_temp.phrase(i, 205) || ' ' || pg_temp.phrase(i, 206) || ' '
        || pg_temp.phrase(i, 207) || ' ' || pg_temp.phrase(i, 208) || ' ' || pg_temp.phrase(i, 209) || ' '
        || pg_temp.phrase(i, 210) || ' ' || pg_temp.phrase(i, 211) || ' ' || pg_temp.phrase(i, 212), characters) $$;
-- A moment between 2022-11-01 and 2026-03-31, in whole seconds.
CREATE FUNCTION pg_temp.moment(i bigint, salt int) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT timestamptz '2022-11-01 00:00:00+00' + pg_temp.draw(i, salt, 107740800) * interval '1 second' $$;
CREATE FUNCTION pg_temp.country(i bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT pg_temp.one_of('{DE,DE,DE,FR,FR,PL,ES,SE,NO,IS,GB,US,US,JP,CN,KR,IN,GR,TR,VN}'::text[], i, 14) $$;
