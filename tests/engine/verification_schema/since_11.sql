-- Objects of every class that PostgreSQL 11 knows, in the ways that dumps and versions print differently.
ALTER INDEX app.cust_expr ALTER COLUMN 2 SET STATISTICS 77;
CREATE PROCEDURE app.proc(INOUT a int) LANGUAGE plpgsql AS $$ BEGIN a := 1; END $$;
COMMENT ON PROCEDURE app.proc(int) IS 'proc';
GRANT EXECUTE ON PROCEDURE app.proc(int) TO v_carol;
CREATE TABLE app.hp (id int PRIMARY KEY, c int REFERENCES app.customers) PARTITION BY HASH (id);
CREATE TABLE app.hp0 PARTITION OF app.hp FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE app.hp1 PARTITION OF app.hp FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE INDEX hp_c ON app.hp (c) INCLUDE (id);
CREATE TABLE app.evdef PARTITION OF app.events_2 DEFAULT;
CREATE TRIGGER hpt AFTER INSERT ON app.hp FOR EACH ROW EXECUTE PROCEDURE app.touch();
ALTER TABLE app.customers ADD fast int NOT NULL DEFAULT 5;
CREATE INDEX orphan ON ONLY app.hp (c, id);
CREATE DOMAIN app.pairdom AS app.pair CHECK ((VALUE).a > 0);
