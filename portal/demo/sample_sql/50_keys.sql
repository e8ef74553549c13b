-- Keys, indexes, foreign keys, exclusion and check constraints, extended statistics.
ALTER TABLE shop.categories ADD CONSTRAINT categories_pkey PRIMARY KEY (id),
    ADD CONSTRAINT categories_name_key UNIQUE (parent_id, name),
    ADD CONSTRAINT categories_parent_fkey FOREIGN KEY (parent_id) REFERENCES shop.categories ON DELETE SET NULL;
ALTER TABLE shop.customers ADD PRIMARY KEY (id), ADD CONSTRAINT customers_email_key UNIQUE (email),
    ADD CONSTRAINT customers_invited_by_fkey FOREIGN KEY (invited_by) REFERENCES shop.customers (id) DEFERRABLE INITIALLY DEFERRED,
    ADD CONSTRAINT grown_up CHECK (born < '2010-01-01') NO INHERIT;
ALTER TABLE shop.customers ADD CONSTRAINT name_has_letters CHECK (length(full_name) > 200) NOT VALID;
CREATE INDEX customers_lower_name ON shop.customers (lower(full_name) text_pattern_ops, created_at DESC NULLS LAST);
CREATE INDEX customers_vip ON shop.customers (country, id) WHERE 'vip' = ANY (tags) AND is_active;
CREATE INDEX customers_tags ON shop.customers USING gin (tags);
CREATE INDEX customers_preferences ON shop.customers USING gin (preferences jsonb_path_ops) WITH (fastupdate = off);
CREATE INDEX customers_email_hash ON shop.customers USING hash (email);
CREATE INDEX customers_by_domain ON shop.customers ((split_part(email, '@', 2)), (date_part('year', born)));

ALTER TABLE shop.products ADD PRIMARY KEY (id) WITH (fillfactor = 95),
    ADD CONSTRAINT products_sku_key UNIQUE (sku),
    ADD CONSTRAINT sku_is_well_formed CHECK (shop.is_sku(sku::text)),
    ADD CONSTRAINT products_category_fkey FOREIGN KEY (category_id) REFERENCES shop.categories ON UPDATE CASCADE ON DELETE SET NULL;
CREATE INDEX products_search ON shop.products USING gin (search);
CREATE INDEX products_usual_price ON shop.products USING gist (usual_price);
CREATE INDEX products_name ON shop.products (name COLLATE shop.byte_order);
ALTER TABLE shop.products CLUSTER ON products_name;
\if :v11
ALTER INDEX shop.customers_by_domain ALTER COLUMN 1 SET STATISTICS 250;
\endif

\if :v11
ALTER TABLE shop.orders ADD CONSTRAINT orders_pkey PRIMARY KEY (id, ordered_at, country);
CREATE INDEX orders_customer ON shop.orders (customer_id) INCLUDE (state, total);
CREATE INDEX orders_open ON shop.orders (ordered_at) WHERE state IN ('new', 'paid');
ALTER TABLE shop.orders ADD CONSTRAINT orders_customer_fkey FOREIGN KEY (customer_id) REFERENCES shop.customers;
ALTER TABLE shop.orders ADD CONSTRAINT plausible_date CHECK (ordered_at > '2020-01-01+00');
\else
ALTER TABLE shop.orders_2023 ADD PRIMARY KEY (id);
ALTER TABLE shop.orders_2024_de ADD PRIMARY KEY (id);
ALTER TABLE shop.orders_2025_h1 ADD PRIMARY KEY (id);
CREATE INDEX orders_2025_h2_customer ON shop.orders_2025_h2 (customer_id);
\endif
ALTER TABLE shop.order_items ADD PRIMARY KEY (order_id, line_no),
    ADD CONSTRAINT order_items_product_fkey FOREIGN KEY (product_id) REFERENCES shop.products ON DELETE RESTRICT,
    ADD CONSTRAINT some_quantity CHECK (quantity > 0);
\if :v12
ALTER TABLE shop.order_items ADD CONSTRAINT order_items_order_fkey FOREIGN KEY (order_id, ordered_at, country)
    REFERENCES shop.orders ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED;
\endif
CREATE INDEX order_items_product ON shop.order_items (product_id);
ALTER TABLE shop.payments ADD PRIMARY KEY (id);
CREATE INDEX payments_order ON shop.payments (order_id);
CREATE INDEX payments_paid ON shop.payments USING brin (paid_at) WITH (pages_per_range = 32);
\if :v15
ALTER TABLE stock.levels ADD CONSTRAINT levels_once UNIQUE NULLS NOT DISTINCT (product_id, warehouse_id, reorder_below);
\endif
\if :v11
CREATE INDEX reviews_customer ON shop.reviews (customer_id);
CREATE INDEX reviews_body ON shop.reviews_0 USING gin (to_tsvector('pg_catalog.english', body));
\else
CREATE INDEX reviews_body ON shop.reviews USING gin (to_tsvector('pg_catalog.english', body));
\endif

ALTER TABLE stock.warehouses ADD PRIMARY KEY (id), ADD CONSTRAINT one_name UNIQUE (name) DEFERRABLE;
CREATE INDEX warehouses_place ON stock.warehouses USING spgist (place);
CREATE INDEX warehouses_area ON stock.warehouses USING gist (area);
ALTER TABLE stock.levels ADD PRIMARY KEY (warehouse_id, product_id),
    ADD CONSTRAINT levels_warehouse_fkey FOREIGN KEY (warehouse_id) REFERENCES stock.warehouses,
    ADD CONSTRAINT levels_product_fkey FOREIGN KEY (product_id) REFERENCES shop.products ON DELETE CASCADE;
ALTER TABLE stock.level_cache ADD PRIMARY KEY (product_id);
CREATE INDEX scans_barcode ON stock.scans (barcode varchar_pattern_ops);
ALTER TABLE stock.movements ADD PRIMARY KEY (id);
CREATE INDEX movements_moved ON stock.movements USING brin (moved_at, id);
ALTER TABLE stock.movements ADD CONSTRAINT movements_product_fkey FOREIGN KEY (product_id) REFERENCES shop.products NOT VALID;
ALTER TABLE stock.reservations ADD PRIMARY KEY (id),
    ADD CONSTRAINT no_shelf_twice EXCLUDE USING gist (shelves WITH &&, during WITH &&) WHERE (NOT is_cancelled),
    ADD CONSTRAINT some_shelf CHECK (NOT isempty(shelves) AND lower_inf(shelves) IS FALSE);
\if :v18
CREATE TABLE stock.leases (
    shelves int4range NOT NULL,
    during daterange NOT NULL,
    tenant text,
    CONSTRAINT leases_pkey PRIMARY KEY (shelves, during WITHOUT OVERLAPS)
);
INSERT INTO stock.leases SELECT int4range(i, i + 1), daterange('2025-01-01', date '2025-01-01' + i), pg_temp.given_name(i)
FROM generate_series(1, 20) AS i;
\endif

ALTER TABLE staff.employees ADD PRIMARY KEY (id), ADD CONSTRAINT one_login UNIQUE (login),
    ADD CONSTRAINT employees_manager_fkey FOREIGN KEY (manager_id) REFERENCES staff.employees ON DELETE SET NULL;
ALTER TABLE staff.employees REPLICA IDENTITY USING INDEX one_login;
ALTER TABLE staff.holidays ADD CONSTRAINT holidays_employee_fkey FOREIGN KEY (employee_id) REFERENCES staff.employees
    ON DELETE CASCADE;
ALTER TABLE staff.holidays REPLICA IDENTITY FULL;

CREATE INDEX events_visit_old_details ON analytics.events_visit_old USING gin (details);
CREATE INDEX events_search_time ON analytics.events_search (happened_at, kind);
ALTER TABLE analytics.events_search ADD CONSTRAINT only_searches CHECK (kind = 'search');

ALTER TABLE library.papers ADD PRIMARY KEY (id);
ALTER TABLE library.letters ADD PRIMARY KEY (id);
ALTER TABLE library.papers ADD CONSTRAINT has_title CHECK (title <> '');
ALTER TABLE library.documents ADD PRIMARY KEY (id);
CREATE INDEX documents_words ON library.documents USING gin (words);

CREATE STATISTICS shop.customers_place (ndistinct, dependencies) ON country, is_active FROM shop.customers;
\if :v12
CREATE STATISTICS shop.products_mcv (mcv) ON category_id, released FROM shop.products;
\endif
\if :v13
ALTER STATISTICS shop.customers_place SET STATISTICS 300;
\endif
\if :v14
CREATE STATISTICS shop.orders_month ON date_trunc('month', ordered_at AT TIME ZONE 'UTC') FROM shop.order_items;
\endif
COMMENT ON STATISTICS shop.customers_place IS 'Most customers are active everywhere';
