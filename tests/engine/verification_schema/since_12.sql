-- Objects of every class that PostgreSQL 12 knows, in the ways that dumps and versions print differently.
CREATE TABLE app.gen (a int, b int GENERATED ALWAYS AS (a * 2) STORED, c text GENERATED ALWAYS
    AS (upper('x' || a::text)) STORED);
CREATE VIEW app.v12 AS WITH q AS MATERIALIZED (SELECT a FROM app.gen) SELECT a FROM q;
CREATE STATISTICS app.st3 (mcv) ON a, b FROM app.gen;
CREATE TABLE app.fk_to_part (k int REFERENCES app.hp(id));
