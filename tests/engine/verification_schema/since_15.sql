-- Objects of every class that PostgreSQL 15 knows, in the ways that dumps and versions print differently.
CREATE TABLE app.nnd (a int, b int, UNIQUE NULLS NOT DISTINCT (a));
CREATE VIEW app.v15 WITH (security_invoker=true) AS SELECT a FROM app.nnd;
CREATE TABLE app.fk15 (a int, b int, FOREIGN KEY (a) REFERENCES app.nnd(a) ON DELETE SET NULL (a));
