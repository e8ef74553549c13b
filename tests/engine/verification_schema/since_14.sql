-- Objects of every class that PostgreSQL 14 knows, in the ways that dumps and versions print differently.
CREATE FUNCTION app.sqlbody(a int, b text DEFAULT 'q') RETURNS int LANGUAGE sql RETURN a + length(b);
CREATE FUNCTION app.sqlbody2() RETURNS SETOF int LANGUAGE sql BEGIN ATOMIC SELECT c.id FROM
    app.customers c WHERE c.status IN ('new','old'); SELECT o.id::int FROM app.orders o; END;
CREATE PROCEDURE app.sqlproc(x int) LANGUAGE sql BEGIN ATOMIC INSERT INTO app.unl VALUES (x);
    DELETE FROM app.unl WHERE x = 5; END;
CREATE TABLE app.cmp (t text COMPRESSION pglz, mr int4multirange);
CREATE STATISTICS app.st4 ON (lower(t)), t FROM app.cmp;
CREATE VIEW app.v14 AS SELECT extract(year from now()) y, date_part('year', now()) y2, (ROW(1,'a')::app.pair).b;
ALTER STATISTICS app.st4 SET STATISTICS 50;
CREATE VIEW app.v14b AS WITH RECURSIVE t(a) AS (SELECT 1 UNION ALL SELECT a+1 FROM t WHERE a
    < 3) SEARCH DEPTH FIRST BY a SET o SELECT a FROM t;
