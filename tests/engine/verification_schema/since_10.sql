-- Objects of every class that PostgreSQL 10 knows, in the ways that dumps and versions print differently.
-- Roles v_alice, "v Bob-ö" and v_carol must exist.
SET client_min_messages=warning;
CREATE SCHEMA app AUTHORIZATION v_alice;
CREATE SCHEMA "Odd ""Schema";
GRANT USAGE ON SCHEMA app TO "v Bob-ö";
COMMENT ON SCHEMA app IS 'It''s the app';
GRANT CREATE ON SCHEMA public TO v_carol;
CREATE EXTENSION hstore;
CREATE EXTENSION citext;
CREATE EXTENSION btree_gist;
CREATE EXTENSION pg_trgm SCHEMA app;
CREATE EXTENSION postgres_fdw;
CREATE TYPE app.mood AS ENUM ('sad','ok','happy');
ALTER TYPE app.mood ADD VALUE 'meh' BEFORE 'ok';
COMMENT ON TYPE app.mood IS 'moods';
GRANT USAGE ON TYPE app.mood TO v_carol;
REVOKE USAGE ON TYPE app.mood FROM public;
CREATE TYPE app.pair AS (a int, b varchar(10) COLLATE "C");
COMMENT ON COLUMN app.pair.a IS 'first';
CREATE DOMAIN app.email AS varchar(100) NOT NULL DEFAULT 'x@y' CHECK (VALUE ~ '@') CONSTRAINT
    short CHECK (length(VALUE) < 90 AND VALUE IN ('a@b','c@d') OR VALUE LIKE '%_@_%');
ALTER DOMAIN app.email ADD CONSTRAINT late CHECK (VALUE <> 'q@q') NOT VALID;
COMMENT ON CONSTRAINT short ON DOMAIN app.email IS 'short!';
CREATE TYPE app.frange AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE TYPE app.crange AS RANGE (subtype = text, collation = "C");
CREATE COLLATION app.c2 (locale='C');
COMMENT ON COLLATION app.c2 IS 'c';
CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE FUNCTION app.add(a int, b int DEFAULT 3+4, c varchar DEFAULT 'x') RETURNS int LANGUAGE
    sql IMMUTABLE STRICT PARALLEL SAFE COST 7 SET work_mem='4MB' SET search_path=app,public
    AS $$ SELECT a+b $$;
ALTER FUNCTION app.add(int,int,varchar) OWNER TO v_alice;
GRANT EXECUTE ON FUNCTION app.add(int,int,varchar) TO "v Bob-ö";
REVOKE ALL ON FUNCTION app.add(int,int,varchar) FROM public;
COMMENT ON FUNCTION app.add(int,int,varchar) IS 'adds';
CREATE FUNCTION app.tab(n int) RETURNS TABLE(i int, t text) LANGUAGE sql ROWS 17 SECURITY DEFINER
    LEAKPROOF AS 'select g, g::text from generate_series(1,n) g';
CREATE FUNCTION app.vari(VARIADIC a int[], OUT s bigint) LANGUAGE sql AS 'select sum(x) from unnest(a) x';
CREATE AGGREGATE app.mysum(int) (sfunc=int4pl, stype=int, initcond='0', combinefunc=int4pl, parallel=safe);
CREATE AGGREGATE app.mypct(float8 ORDER BY anyelement) (sfunc=ordered_set_transition, stype=internal,
    finalfunc=percentile_disc_final, finalfunc_extra);
CREATE FUNCTION app.pair_eq(app.pair, app.pair) RETURNS bool LANGUAGE sql IMMUTABLE AS 'select $1.a=$2.a';
CREATE OPERATOR app.=== (leftarg=app.pair, rightarg=app.pair, procedure=app.pair_eq, commutator=OPERATOR(app.===),
    restrict=eqsel, join=eqjoinsel);
COMMENT ON OPERATOR app.===(app.pair,app.pair) IS 'same';
CREATE FUNCTION app.pair_cmp(app.pair, app.pair) RETURNS int LANGUAGE sql IMMUTABLE AS 'select $1.a-$2.a';
CREATE FUNCTION app.pair_lt(app.pair, app.pair) RETURNS bool LANGUAGE sql IMMUTABLE AS 'select $1.a<$2.a';
CREATE OPERATOR app.<<< (leftarg=app.pair, rightarg=app.pair, procedure=app.pair_lt);
CREATE OPERATOR FAMILY app.pfam USING btree;
CREATE OPERATOR CLASS app.pops FOR TYPE app.pair USING btree FAMILY app.pfam AS OPERATOR 1 app.<<<,
    OPERATOR 3 app.===, FUNCTION 1 app.pair_cmp(app.pair,app.pair);
CREATE FUNCTION app.pair2int(app.pair) RETURNS int LANGUAGE sql IMMUTABLE AS 'select $1.a';
CREATE CAST (app.pair AS int) WITH FUNCTION app.pair2int(app.pair) AS ASSIGNMENT;
COMMENT ON CAST (app.pair AS int) IS 'cst';
CREATE TABLE app.customers (id int GENERATED ALWAYS AS IDENTITY (START 10 INCREMENT 5) PRIMARY
    KEY, name varchar(40) NOT NULL COLLATE "C", email app.email, mood app.mood DEFAULT 'ok',
    tags hstore, nick citext UNIQUE, status varchar(10) DEFAULT 'new' CHECK (status IN ('new','old','gone')),
    born date CHECK (born BETWEEN '1900-01-01' AND '2100-01-01'), amt numeric(10,2) DEFAULT
    1.5 + 2, p app.pair, created timestamptz DEFAULT now() - interval '1 day', extra jsonb DEFAULT
    '{}'::jsonb, CONSTRAINT name_len CHECK (length(name) > 0) NO INHERIT, EXCLUDE USING gist
    (born WITH =) WHERE (status = 'old')) WITH (fillfactor=70, autovacuum_enabled=false, toast.autovacuum_enabled=false);
ALTER TABLE app.customers OWNER TO v_alice;
COMMENT ON TABLE app.customers IS E'Kunden\nzwei';
COMMENT ON COLUMN app.customers.name IS 'the name';
COMMENT ON CONSTRAINT name_len ON app.customers IS 'nl';
ALTER TABLE app.customers ALTER name SET STATISTICS 500, ALTER name SET (n_distinct=-0.5), ALTER
    extra SET STORAGE EXTERNAL;
ALTER TABLE app.customers ADD dropme int;
ALTER TABLE app.customers DROP dropme;
ALTER TABLE app.customers ADD after_drop int;
GRANT SELECT, INSERT ON app.customers TO "v Bob-ö" WITH GRANT OPTION;
GRANT UPDATE (name, email) ON app.customers TO v_carol;
GRANT SELECT ON app.customers TO public;
CREATE INDEX cust_expr ON app.customers (lower(name) varchar_pattern_ops, (amt * 2) DESC NULLS
    LAST) WHERE status IN ('new','old') AND born > '2000-01-01';
COMMENT ON INDEX app.cust_expr IS 'ci';
CREATE INDEX cust_trgm ON app.customers USING gin (name app.gin_trgm_ops) WITH (fastupdate=off);
CREATE UNIQUE INDEX "cust Uniq" ON app.customers (nick, status);
ALTER TABLE app.customers CLUSTER ON "cust Uniq";
CREATE TABLE app.orders (id bigserial, customer_id int NOT NULL REFERENCES app.customers ON
    DELETE CASCADE DEFERRABLE INITIALLY DEFERRED, day date NOT NULL, note text, PRIMARY KEY
    (id));
CREATE UNIQUE INDEX ord_ri ON app.orders (customer_id, day);
ALTER TABLE app.orders REPLICA IDENTITY USING INDEX ord_ri;
ALTER TABLE app.orders ADD CONSTRAINT nv CHECK (note <> '') NOT VALID;
ALTER TABLE app.orders ADD CONSTRAINT selfnv FOREIGN KEY (customer_id) REFERENCES app.customers NOT VALID;
CREATE TABLE app.events (k int, at timestamp NOT NULL, v text DEFAULT 'a' || 'b') PARTITION BY RANGE (at);
CREATE TABLE app.events_1 PARTITION OF app.events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE app.events_2 PARTITION OF app.events FOR VALUES FROM ('2021-01-01') TO (MAXVALUE) PARTITION BY LIST (k);
CREATE TABLE app.events_2a PARTITION OF app.events_2 (v DEFAULT 'own', CHECK (k > 0)) FOR VALUES IN (1,2,NULL);
CREATE TABLE app.expr_part (a text, b timestamptz) PARTITION BY RANGE (lower(a), (length(a) + 1));
CREATE TABLE app.expr_part1 PARTITION OF app.expr_part FOR VALUES FROM (MINVALUE, MINVALUE) TO ('m', 5);
CREATE TABLE app.par (a int, b text CHECK (b <> ''));
CREATE TABLE app.chi (c int) INHERITS (app.par);
ALTER TABLE app.par ADD late int DEFAULT 7;
CREATE UNLOGGED TABLE app.unl (x int);
CREATE TABLE app.typed OF app.pair (PRIMARY KEY (a));
CREATE TABLE "Odd ""Schema"."Täble ON x.y" ("Col.1" int, "WHEN (x)" text, " TO " int);
CREATE INDEX "ix ON app.par USING" ON "Odd ""Schema"."Täble ON x.y" (("Col.1"+1), upper("WHEN (x)"));
CREATE TABLE app.big_sto (a int2, b int4, c int8, ts timestamptz, t1 varchar, j json, arr int[],
    en app.mood[], dm app.email);
CREATE VIEW app.v1 AS SELECT c.id, c.name AS nm, upper(c.status::text) AS st, extract(year FROM
    c.born) AS y, c.born + interval '1 day' AS d1, CASE WHEN c.status IN ('a','b') THEN 1 END
    AS cs, o.day FROM app.customers c JOIN app.orders o ON o.customer_id = c.id WHERE c.status
    = ANY (ARRAY['new','old']) AND o.note NOT LIKE 'x%' ORDER BY c.name;
CREATE VIEW app.v2 AS SELECT * FROM app.customers NATURAL LEFT JOIN (SELECT id, max(day) AS
    md FROM app.orders GROUP BY id) q;
CREATE VIEW app.v3 (n, m) WITH (security_barrier) AS WITH RECURSIVE r(n) AS (VALUES (1) UNION
    ALL SELECT n+1 FROM r WHERE n < 5) SELECT n, sum(n) OVER (ORDER BY n ROWS BETWEEN 1 PRECEDING
    AND CURRENT ROW) FROM r;
CREATE VIEW app.v4 AS SELECT id, name FROM app.customers WHERE name > '' WITH LOCAL CHECK OPTION;
ALTER VIEW app.v4 ALTER name SET DEFAULT 'q';
COMMENT ON VIEW app.v4 IS 'v4';
COMMENT ON COLUMN app.v4.name IS 'v4n';
GRANT SELECT ON app.v4 TO v_carol;
CREATE VIEW app.v5 AS SELECT substring(name from 2 for 3) a, trim(both 'x' from name) b, position('a'
    in name) c, overlay(name placing 'z' from 1) d, name similar to 'a%' e, current_date f,
    now() at time zone 'UTC' g, coalesce(name,'z') h, array(select 1) i, (row(1,'q')::app.pair).b
    j, (p).a k, id::text || 'x' l, extra->>'a' m, name::varchar(5) n, exists(select 1 from app.orders)
    o, grouping(name) gr FROM app.customers group by grouping sets ((name,p,id,extra),());
CREATE VIEW app.v6 AS SELECT a.id, b.id AS bid, x.* FROM app.orders a JOIN app.orders b USING
    (id) CROSS JOIN LATERAL (SELECT a.day + 1 AS n) x;
CREATE VIEW app.v7 AS SELECT DISTINCT ON (day) day, id FROM app.orders ORDER BY day, id DESC LIMIT 5 OFFSET 1;
CREATE VIEW app.v8 AS SELECT id FROM app.orders UNION ALL (SELECT id FROM app.customers EXCEPT SELECT 1);
CREATE VIEW app.v9 AS SELECT id, (SELECT count(*) FROM app.orders o WHERE o.customer_id = c.id) FROM app.customers c;
CREATE MATERIALIZED VIEW app.mv AS SELECT status, count(*) AS n FROM app.customers GROUP BY 1;
CREATE UNIQUE INDEX mv_i ON app.mv (status);
CREATE MATERIALIZED VIEW app.mv2 AS SELECT 1 AS x WITH NO DATA;
COMMENT ON MATERIALIZED VIEW app.mv IS 'mv';
CREATE TRIGGER t1 BEFORE INSERT OR UPDATE OF name, email ON app.customers FOR EACH ROW WHEN
    (NEW.name IS NOT NULL AND NEW.status IN ('new','old')) EXECUTE PROCEDURE app.touch();
ALTER TABLE app.customers DISABLE TRIGGER t1;
COMMENT ON TRIGGER t1 ON app.customers IS 't1';
CREATE CONSTRAINT TRIGGER ct AFTER INSERT ON app.orders DEFERRABLE INITIALLY DEFERRED FOR EACH
    ROW EXECUTE PROCEDURE app.touch('arg', 'EXECUTE PROCEDURE x');
CREATE TRIGGER tt AFTER DELETE ON app.orders REFERENCING OLD TABLE AS gone FOR EACH STATEMENT
    EXECUTE PROCEDURE app.touch();
ALTER TABLE app.orders ENABLE ALWAYS TRIGGER tt;
CREATE RULE r1 AS ON INSERT TO app.v4 DO INSTEAD INSERT INTO app.customers(name) VALUES (NEW.name) RETURNING id, name;
CREATE RULE r2 AS ON DELETE TO app.unl WHERE OLD.x IN (1,2) DO ALSO DELETE FROM app.par WHERE a = OLD.x;
ALTER TABLE app.unl DISABLE RULE r2;
COMMENT ON RULE r2 ON app.unl IS 'r2';
CREATE RULE r3 AS ON UPDATE TO app.par WHERE NEW.b <> OLD.b DO ALSO (UPDATE app.unl SET x = x + 1 WHERE x = OLD.a;
DELETE FROM app.chi WHERE c = NEW.a);
ALTER TABLE app.customers ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.orders FORCE ROW LEVEL SECURITY;
CREATE POLICY p1 ON app.customers FOR SELECT TO "v Bob-ö", v_carol USING (status IN ('new','old')
    AND name = current_user);
CREATE POLICY p2 ON app.customers AS RESTRICTIVE USING (id IN (SELECT customer_id FROM app.orders)) WITH CHECK (true);
COMMENT ON POLICY p1 ON app.customers IS 'p1';
CREATE SEQUENCE app.sq AS smallint INCREMENT 3 MINVALUE -9 MAXVALUE 99 START 3 CACHE 4 CYCLE;
GRANT USAGE ON SEQUENCE app.sq TO v_carol;
COMMENT ON SEQUENCE app.sq IS 'sq';
ALTER SEQUENCE app.sq OWNER TO v_alice;
CREATE STATISTICS app.st1 ON status, born FROM app.customers;
CREATE STATISTICS app.st2 (dependencies) ON name, status FROM app.customers;
COMMENT ON STATISTICS app.st1 IS 'st';
CREATE TEXT SEARCH DICTIONARY app.dict (TEMPLATE = simple, stopwords = 'english');
CREATE TEXT SEARCH CONFIGURATION app.cfg (COPY = english);
ALTER TEXT SEARCH CONFIGURATION app.cfg ALTER MAPPING FOR asciiword WITH app.dict, english_stem;
COMMENT ON TEXT SEARCH CONFIGURATION app.cfg IS 'cfg';
CREATE CONVERSION app.conv FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE SERVER srv FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'h', dbname 'd');
CREATE USER MAPPING FOR v_carol SERVER srv OPTIONS (user 'u', password 'sekrit');
CREATE FOREIGN TABLE app.ft (a int OPTIONS (column_name 'b'), b text NOT NULL) SERVER srv OPTIONS (table_name 't');
GRANT USAGE ON FOREIGN SERVER srv TO v_alice;
COMMENT ON SERVER srv IS 'srv';
COMMENT ON FOREIGN TABLE app.ft IS 'ft';
CREATE FOREIGN DATA WRAPPER nofdw OPTIONS (debug 'true');
CREATE FUNCTION app.evt() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
CREATE EVENT TRIGGER et ON ddl_command_end WHEN TAG IN ('CREATE TABLE','DROP TABLE') EXECUTE PROCEDURE app.evt();
ALTER EVENT TRIGGER et ENABLE REPLICA;
COMMENT ON EVENT TRIGGER et IS 'et';
ALTER DEFAULT PRIVILEGES FOR ROLE v_alice IN SCHEMA app GRANT SELECT ON TABLES TO v_carol;
ALTER DEFAULT PRIVILEGES FOR ROLE v_alice REVOKE EXECUTE ON FUNCTIONS FROM public;
ALTER DEFAULT PRIVILEGES FOR ROLE v_alice GRANT ALL ON TABLES TO "v Bob-ö";
GRANT USAGE ON LANGUAGE plpgsql TO v_carol;
CREATE TABLE app.all_grants (a int);
GRANT ALL ON app.all_grants TO v_carol;
CREATE TABLE app.revoked (a int);
REVOKE ALL ON app.revoked FROM postgres;
SELECT lo_from_bytea(70001, 'abc');
GRANT SELECT ON LARGE OBJECT 70001 TO v_carol;
ALTER LARGE OBJECT 70001 OWNER TO v_alice;
COMMENT ON LARGE OBJECT 70001 IS 'lo';
INSERT INTO app.customers(name,email,nick) VALUES ('a','a@b','n1'),('b','c@d','n2');
INSERT INTO app.orders(customer_id,day,note) VALUES (10,'2020-01-01','n');
REFRESH MATERIALIZED VIEW app.mv;
SELECT nextval('app.sq');
INSERT INTO app.events_1 VALUES (1,'2020-02-02','x');
INSERT INTO app.typed VALUES (1,'b');
