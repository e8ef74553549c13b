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

-- Arithmetic instead of random(), whose sequence differs between versions.
SELECT format(
    'CREATE FUNCTION pg_temp.mix(n bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS %L',
    'SELECT (((n * 1597334677) & 2147483647) # (((n * 1597334677) & 2147483647) >> 15))') \gexec
SELECT format(
    'CREATE FUNCTION pg_temp.draw(i bigint, salt int, below int) RETURNS int LANGUAGE sql IMMUTABLE AS %L',
    'SELECT (pg_temp.mix(pg_temp.mix((i + salt * 1000003 + ' || :seed || '::bigint * 7368787) & 2147483647) + salt) % below)::int')
    \gexec
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
CREATE FUNCTION pg_temp.words(i bigint, how_many int) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT string_agg(pg_temp.one_of('{light,warm,dry,rugged,quiet,steep,northern,woven,merino,canvas,folding,brass,granite,trail,'
        'river,summit,harbour,winter,storm,lantern,compass,rope,kettle,tent,boots,jacket,gloves,axe,stove,map,bottle,pack,rain,'
        'snow,wind,sun,carry,climb,walk,sleep,cook,repair,works,fits,lasts,leaks,breathes,packs,small,great,poor,honest,value,'
        'naïve,café,smörgåsbord,Größe,москва,山,👍,🏔️}'::text[], i * 61 + w, 13), ' ' ORDER BY w)
    FROM generate_series(1, how_many) AS w $$;
-- A moment between 2022-11-01 and 2026-03-31, in whole seconds.
CREATE FUNCTION pg_temp.moment(i bigint, salt int) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
    SELECT timestamptz '2022-11-01 00:00:00+00' + make_interval(secs => pg_temp.draw(i, salt, 107740800)) $$;
CREATE FUNCTION pg_temp.country(i bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT pg_temp.one_of('{DE,DE,DE,FR,FR,PL,ES,SE,NO,IS,GB,US,US,JP,CN,KR,IN,GR,TR,VN}'::text[], i, 14) $$;
