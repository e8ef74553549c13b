-- Grants, row-level security, comments.
GRANT USAGE ON SCHEMA shop, stock, analytics, library TO shop_reader;
GRANT USAGE, CREATE ON SCHEMA stock TO stock_manager WITH GRANT OPTION;
GRANT USAGE ON SCHEMA shop, stock TO shop_app;
GRANT SELECT ON ALL TABLES IN SCHEMA shop, analytics TO shop_reader;
GRANT SELECT, INSERT, UPDATE, DELETE ON shop.customers, shop.orders, shop.order_items TO shop_app;
GRANT SELECT (id, login), UPDATE (notes) ON staff.employees TO stock_manager, "Zoë from ""Support""";
GRANT ALL ON stock.levels, stock.movements TO stock_manager WITH GRANT OPTION;
GRANT TRUNCATE, REFERENCES, TRIGGER ON stock.scans TO stock_manager;
REVOKE DELETE ON stock.movements FROM shop_owner;
REVOKE ALL ON shop.price_log FROM shop_reader;
GRANT USAGE ON SEQUENCE shop.parcel_labels TO shop_app;
GRANT EXECUTE ON FUNCTION shop.best_customers(integer) TO shop_reader;
GRANT EXECUTE ON FUNCTION shop.is_sku(text), shop.one_line(shop.address) TO PUBLIC;
REVOKE USAGE ON TYPE shop.order_state FROM PUBLIC;
GRANT USAGE ON TYPE shop.order_state TO shop_app;
GRANT USAGE ON DOMAIN shop.cents TO shop_app WITH GRANT OPTION;
\if :v11
GRANT EXECUTE ON PROCEDURE stock.move(integer, integer, integer, integer) TO stock_manager;
\endif
SELECT 'SET ROLE stock_manager' WHERE (SELECT rolsuper FROM pg_roles WHERE rolname = session_user) \gexec
GRANT SELECT ON stock.levels TO shop_reader;
SET ROLE shop_owner;

ALTER TABLE staff.employees ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_row ON staff.employees FOR SELECT TO stock_manager, "Zoë from ""Support""" USING (login = current_user);
CREATE POLICY bosses ON staff.employees AS RESTRICTIVE FOR UPDATE TO PUBLIC USING (manager_id IS NOT NULL)
    WITH CHECK (id > 0 AND EXISTS (SELECT FROM staff.employees AS boss WHERE boss.id = employees.manager_id));
ALTER TABLE staff.holidays ENABLE ROW LEVEL SECURITY;
ALTER TABLE staff.holidays FORCE ROW LEVEL SECURITY;
CREATE POLICY "everybody's" ON staff.holidays USING (true) WITH CHECK (approved IS NOT TRUE);
ALTER TABLE "Öd d".no_rows ENABLE ROW LEVEL SECURITY;
COMMENT ON POLICY own_row ON staff.employees IS 'People see themselves';

COMMENT ON SCHEMA shop IS 'What customers see';
COMMENT ON SCHEMA "Öd d" IS 'Names and values that are allowed, and rare';
COMMENT ON TABLE shop.orders IS 'Partitioned by year; 2024 also by country';
COMMENT ON TABLE shop.coupons IS 'No primary key';
COMMENT ON COLUMN shop.products.gross_price IS 'Computed where the server can';
COMMENT ON COLUMN "Öd d"."Sp ace"."a""b" IS E'quote " and newline\nand \\';
COMMENT ON INDEX shop.customers_vip IS 'Partial';
COMMENT ON CONSTRAINT no_shelf_twice ON stock.reservations IS 'The same shelf is never promised twice';
COMMENT ON RULE cancel_instead ON shop.open_orders IS 'Orders are kept';
COMMENT ON CAST (shop.address AS text) IS 'For labels';
RESET ROLE;
