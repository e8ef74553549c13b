-- Functions, procedures, triggers and rules.
CREATE FUNCTION shop.touch() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    NEW.name := btrim(NEW.name);  -- keeps $1 and 'quotes' and \backslashes
    NEW.search := to_tsvector('shop.catalogue', NEW.name);
    RETURN NEW;
END
$body$;
CREATE TRIGGER products_touch BEFORE INSERT OR UPDATE OF name ON shop.products
    FOR EACH ROW WHEN (NEW.name IS NOT NULL) EXECUTE PROCEDURE shop.touch();

CREATE TABLE shop.price_log (product_id integer, old_price numeric, new_price numeric, at timestamptz DEFAULT now());
CREATE FUNCTION shop.log_prices() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
    INSERT INTO shop.price_log (product_id, old_price, new_price)
    SELECT o.id, o.price, n.price FROM old_rows AS o JOIN new_rows AS n USING (id) WHERE o.price <> n.price;
    RETURN NULL;
END
$body$;
CREATE TRIGGER products_log AFTER UPDATE ON shop.products
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE PROCEDURE shop.log_prices();

CREATE FUNCTION shop.refuse() RETURNS trigger LANGUAGE plpgsql AS
    $body$ BEGIN RAISE EXCEPTION 'not allowed: %', TG_ARGV[0]; END $body$;
CREATE TRIGGER coupons_are_final BEFORE DELETE OR TRUNCATE ON shop.coupons
    FOR EACH STATEMENT EXECUTE PROCEDURE shop.refuse('coupons are final', 'it''s so');
CREATE TRIGGER payments_frozen BEFORE INSERT OR UPDATE ON shop.payments
    FOR EACH ROW EXECUTE PROCEDURE shop.refuse('frozen');
ALTER TABLE shop.payments DISABLE TRIGGER payments_frozen;
CREATE FUNCTION stock.check_level() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF NEW.on_hand < 0 THEN RAISE EXCEPTION 'level of product % below zero', NEW.product_id; END IF;
    RETURN NEW;
END
$body$;
CREATE CONSTRAINT TRIGGER levels_not_negative AFTER INSERT OR UPDATE ON stock.levels
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE PROCEDURE stock.check_level();
ALTER TABLE stock.levels ENABLE ALWAYS TRIGGER levels_not_negative;
CREATE TRIGGER replica_only AFTER INSERT ON stock.movements FOR EACH ROW EXECUTE PROCEDURE shop.refuse('replica');
ALTER TABLE stock.movements ENABLE REPLICA TRIGGER replica_only;
\if :v11
CREATE TRIGGER orders_moved AFTER UPDATE ON shop.orders FOR EACH ROW WHEN (OLD.state > NEW.state)
    EXECUTE PROCEDURE shop.refuse('an order only moves forward');
\endif
COMMENT ON TRIGGER products_touch ON shop.products IS 'Keeps the search column up to date';

CREATE FUNCTION shop.best_customers(how_many integer DEFAULT 10, OUT customer bigint, OUT spent numeric)
    RETURNS SETOF record LANGUAGE sql STABLE ROWS 10 COST 500 PARALLEL SAFE AS $$
    SELECT customer_id, sum(total) FROM shop.orders GROUP BY customer_id ORDER BY 2 DESC, 1 LIMIT how_many $$;
CREATE FUNCTION shop.label(VARIADIC parts text[]) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT array_to_string(parts, ' · ') $$;
CREATE FUNCTION shop.label(number bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'no. ' || number $$;
CREATE FUNCTION "Öd d"."ƒunction with ""quotes"""("a b" integer, INOUT "ünï" text DEFAULT 'it''s') LANGUAGE plpgsql AS $outer$
BEGIN
    EXECUTE $inner$ SELECT $1 || ' ' || $2 $inner$ INTO "ünï" USING "a b", "ünï";
END
$outer$;
COMMENT ON FUNCTION shop.best_customers(integer) IS E'Two lines,\nand a ''quote''';
\if :v11
CREATE PROCEDURE stock.move(product integer, from_warehouse integer, to_warehouse integer, quantity integer) LANGUAGE plpgsql AS $body$
BEGIN
    UPDATE stock.levels SET on_hand = on_hand - quantity WHERE product_id = product AND warehouse_id = from_warehouse;
    UPDATE stock.levels SET on_hand = on_hand + quantity WHERE product_id = product AND warehouse_id = to_warehouse;
    COMMIT;
END
$body$;
COMMENT ON PROCEDURE stock.move(integer, integer, integer, integer) IS 'Commits';
\endif
\if :v14
CREATE FUNCTION shop.orders_of(customer bigint) RETURNS bigint LANGUAGE sql STABLE
    BEGIN ATOMIC SELECT count(*) FROM shop.orders WHERE customer_id = customer; END;
\endif

CREATE VIEW shop.open_orders AS SELECT id, ordered_at, customer_id, state FROM shop.orders WHERE state IN ('new', 'paid');
CREATE RULE cancel_instead AS ON DELETE TO shop.open_orders DO INSTEAD
    UPDATE shop.orders SET state = 'cancelled' WHERE id = OLD.id AND ordered_at = OLD.ordered_at;
CREATE RULE remember_price AS ON UPDATE TO shop.categories WHERE OLD.name <> NEW.name DO ALSO
    INSERT INTO shop.price_log (product_id) VALUES (NULL);
