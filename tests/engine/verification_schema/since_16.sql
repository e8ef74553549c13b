-- Objects of every class that PostgreSQL 16 knows, in the ways that dumps and versions print differently.
CREATE VIEW app.v16 AS SELECT '{"a":1}' IS JSON AS j, any_value(a) AS v, json_arrayagg(b) AS ja FROM app.nnd;
CREATE TABLE app.sto (t text STORAGE external);
