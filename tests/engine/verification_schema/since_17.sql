-- Objects of every class that PostgreSQL 17 knows, in the ways that dumps and versions print differently.
CREATE VIEW app.v17 AS SELECT * FROM json_table('[1,2]', '$[*]' COLUMNS (x int PATH '$')) jt;
GRANT MAINTAIN ON app.nnd TO v_carol;
CREATE DOMAIN app.nn AS int CONSTRAINT nnn NOT NULL;
