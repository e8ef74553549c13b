-- Objects of every class that PostgreSQL 18 knows, in the ways that dumps and versions print differently.
CREATE TABLE app.virt (a int CONSTRAINT a_nn NOT NULL, b int GENERATED ALWAYS AS (a + 1) VIRTUAL, c int NOT NULL);
COMMENT ON CONSTRAINT a_nn ON app.virt IS 'nn';
CREATE TABLE app.tmp18 (id int, r daterange, PRIMARY KEY (id, r WITHOUT OVERLAPS));
CREATE TABLE app.notenf (a int CHECK (a > 0) NOT ENFORCED);
ALTER TABLE app.notenf ADD CONSTRAINT nnv NOT NULL a NOT VALID;
