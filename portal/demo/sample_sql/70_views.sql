-- Views and materialized views; some stand on others.
CREATE VIEW shop.customer_cards WITH (security_barrier) AS
    SELECT id, full_name AS "Full name", (home).city AS city, shop.label(id) AS label FROM shop.customers WHERE is_active;
CREATE VIEW shop.german_cards AS SELECT * FROM shop.customer_cards WHERE city IN ('Berlin', 'Köln');
CREATE VIEW shop.cheap_products AS SELECT id, sku, name, price FROM shop.products WHERE price < 50
    WITH CASCADED CHECK OPTION;
ALTER VIEW shop.cheap_products ALTER price SET DEFAULT 9.99;
CREATE FUNCTION shop.rename_customer() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    UPDATE shop.customers SET full_name = NEW."Full name" WHERE id = OLD.id;
    RETURN NEW;
END
$body$;
CREATE TRIGGER rename INSTEAD OF UPDATE ON shop.customer_cards FOR EACH ROW EXECUTE PROCEDURE shop.rename_customer();
CREATE RECURSIVE VIEW shop.category_paths (id, path) AS
    SELECT id, name FROM shop.categories WHERE parent_id IS NULL
    UNION ALL
    SELECT c.id, p.path || ' / ' || c.name FROM shop.categories AS c JOIN category_paths AS p ON c.parent_id = p.id;
\if :v15
CREATE VIEW shop.my_orders WITH (security_invoker = true) AS SELECT * FROM shop.orders;
\endif

CREATE MATERIALIZED VIEW analytics.daily_sales AS
    SELECT (ordered_at AT TIME ZONE 'UTC')::date AS day, country::text AS country, count(*) AS orders, sum(total) AS total
    FROM shop.orders GROUP BY 1, 2;
CREATE UNIQUE INDEX daily_sales_key ON analytics.daily_sales (day, country);
CREATE MATERIALIZED VIEW analytics.monthly_sales WITH (fillfactor = 100) AS
    SELECT date_trunc('month', day)::date AS month, sum(orders) AS orders,
           shop.weighted_average(total::numeric, orders::numeric) AS average
    FROM analytics.daily_sales GROUP BY 1;
CREATE INDEX monthly_sales_month ON analytics.monthly_sales (month DESC);
CREATE MATERIALIZED VIEW analytics.not_filled_yet AS SELECT kind, count(*) FROM analytics.events GROUP BY kind WITH NO DATA;
CREATE VIEW analytics.best_month AS SELECT * FROM analytics.monthly_sales ORDER BY average DESC NULLS LAST LIMIT 1;
COMMENT ON MATERIALIZED VIEW analytics.monthly_sales IS 'Needs daily_sales';
COMMENT ON VIEW shop.customer_cards IS 'Safe to show';
COMMENT ON COLUMN shop.customer_cards."Full name" IS 'As the customer wrote it';
