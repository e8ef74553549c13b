-- Rows, drawn from the seed inside the server.
INSERT INTO shop.categories (id, parent_id, name, position)
SELECT i, CASE WHEN i > 6 THEN 1 + (i - 7) % 6 END, initcap(pg_temp.thing(i)) || ' ' || i, i / 2.0
FROM generate_series(1, 30) AS i;
SELECT setval('shop.categories_id_seq', 30);

INSERT INTO shop.customers
    (id, email, full_name, home, born, country, tags, preferences, invited_by, is_active, customer_no, created_at)
OVERRIDING SYSTEM VALUE
SELECT i,
       CASE WHEN i % 97 = 0 THEN 'ünïcode.' ELSE 'customer.' END || i || '@example.' || lower(pg_temp.country(i)),
       pg_temp.given_name(i) || ' ' || pg_temp.family_name(i),
       CASE WHEN i % 13 <> 0 THEN ROW(
           initcap(pg_temp.one_of('{harbour,mill,garden,"old town",forêt,Straße der Einheit,北大通}'::text[], i, 21)) || ' '
               || 1 + pg_temp.draw(i, 22, 200),
           pg_temp.one_of('{Berlin,Köln,Paris,Łódź,Sevilla,Malmö,Tromsø,Reykjavík,東京,서울,Θεσσαλονίκη,İzmir,"New York",Hà Nội}'::text[], i, 23),
           lpad(pg_temp.draw(i, 24, 99999)::text, 5, '0'), pg_temp.country(i))::shop.address END,
       CASE WHEN i % 5 <> 0 THEN date '1940-01-01' + pg_temp.draw(i, 25, 24000) END,
       pg_temp.country(i),
       (ARRAY['vip', 'b2b', 'tab	inside', 'quote"inside', 'back\slash', 'NULL'])[1 : pg_temp.draw(i, 26, 4)],
       jsonb_build_object('newsletter', pg_temp.draw(i, 27, 2) = 1, 'colour', pg_temp.one_of('{red,green,blue,紺}'::text[], i, 28),
           'limits', jsonb_build_array(pg_temp.draw(i, 29, 1000), pg_temp.draw(i, 30, 100) / 7.0, NULL)),
       CASE WHEN i > 10 AND i % 4 = 0 THEN 1 + pg_temp.draw(i, 31, (i / 2)::int) END,
       pg_temp.draw(i, 32, 20) > 0,
       'C-' || lpad(i::text, 8, '0'),
       pg_temp.moment(i, 33)
FROM generate_series(1, :customers) AS i;
SELECT setval(pg_get_serial_sequence('shop.customers', 'id'), :customers);

INSERT INTO shop.products
    (id, category_id, sku, name, description, price, usual_price, sizes, weight_grams, dimensions, attributes, picture, search,
     released, discontinued_at)
SELECT 999 + i, CASE WHEN i % 41 <> 0 THEN 1 + pg_temp.draw(i, 41, 30) END,
       pg_temp.one_of('{TNT,JKT,BTS,AXE,MAP,STV}'::text[], i, 42) || '-' || lpad(i::text, 6, '0'),
       words, pg_temp.prose(i + 7, 60 + pg_temp.draw(i, 43, 240)), price,
       shop.price_range(price * 0.8, price * 1.2, CASE WHEN i % 3 = 0 THEN '[]' ELSE '[)' END),
       CASE pg_temp.draw(i, 44, 4) WHEN 0 THEN NULL WHEN 1 THEN '{one size}'::shop.garment_size[]
           ELSE '{S,M,NULL,XL}'::shop.garment_size[] END,
       50 + pg_temp.draw(i, 45, 50000) / 7.0,
       ARRAY[1 + pg_temp.draw(i, 46, 1000) / 10.0, 2, pg_temp.draw(i, 47, 100) + 0.1],
       CASE WHEN i % 6 <> 0 THEN jsonb_build_object('colour', pg_temp.one_of('{red,sand,"forest green",青}'::text[], i, 48),
           'waterproof', i % 2 = 0, 'ratings', jsonb_build_object('warmth', pg_temp.draw(i, 49, 10), 'weight', 1e-3 * i)) END,
       CASE WHEN i % 8 = 0 THEN decode(repeat(md5(i::text) || 'ff00c3285c', 20 + pg_temp.draw(i, 50, 200)), 'hex') END,
       to_tsvector('shop.catalogue', words), date '2018-01-01' + pg_temp.draw(i, 51, 2800),
       CASE WHEN i % 19 = 0 THEN timestamp '2025-02-28 12:00:00.125' + make_interval(days => i % 200) END
FROM (SELECT i, pg_temp.product_name(i) AS words, round((pg_temp.draw(i, 52, 40000) + 199) / 100.0, 2) AS price
      FROM generate_series(1, :products) AS i) AS drawn;
SELECT setval(pg_get_serial_sequence('shop.products', 'id'), 999 + :products);
\if :v12
\else
UPDATE shop.products SET gross_price = round(price * 1.25, 2);
\endif

INSERT INTO shop.orders (id, ordered_at, customer_id, country, state, total, ship_to, note)
SELECT i, pg_temp.moment(i, 61), 1 + pg_temp.draw(i, 62, :customers), pg_temp.country(i + 5),
       (enum_range(NULL::shop.order_state))[1 + pg_temp.draw(i, 63, 7)], 500 + pg_temp.draw(i, 64, 100000),
       ROW('Parcel box ' || i % 900, pg_temp.one_of('{Berlin,Lyon,Gdańsk,Oslo}'::text[], i, 65), NULL, pg_temp.country(i + 5))::shop.address,
       CASE i % 11 WHEN 0 THEN 'leave at' || chr(10) || 'the door' WHEN 1 THEN '' WHEN 2 THEN '\N' WHEN 3 THEN pg_temp.phrase(i, 59) END
FROM generate_series(1, :orders) AS i;
SELECT setval('shop.orders_id_seq', :orders);

INSERT INTO shop.order_items
SELECT i, pg_temp.moment(i, 61), pg_temp.country(i + 5), line, 1000 + pg_temp.draw(i * 7 + line, 66, :products), 1 + pg_temp.draw(i + line, 67, 5),
       round((pg_temp.draw(i * 3 + line, 68, 40000) + 199) / 100.0, 2),
       CASE WHEN line % 2 = 0 THEN (enum_range(NULL::shop.garment_size))[1 + pg_temp.draw(i, 69, 6)] END
FROM generate_series(1, :orders) AS i, generate_series(1, 1 + pg_temp.draw(i, 70, 5)) AS line;

INSERT INTO shop.payments
SELECT md5('payment ' || i)::uuid, i, (enum_range(NULL::shop.payment_method))[1 + pg_temp.draw(i, 71, 4)],
       500 + pg_temp.draw(i, 64, 100000), pg_temp.moment(i, 61) + make_interval(mins => pg_temp.draw(i, 72, 600)),
       CASE WHEN i % 3 = 0 THEN json_build_object('b', i, 'a', pg_temp.phrase(i, 58), 'b', NULL) END,
       CASE WHEN i % 4 = 0 THEN ('2001:db8::' || to_hex(i % 65535))::inet
           ELSE ('198.51.' || i % 256 || '.' || (i / 256) % 256 || CASE WHEN i % 9 = 0 THEN '/24' ELSE '' END)::inet END
FROM generate_series(1, :orders) AS i WHERE i % 12 <> 0;

INSERT INTO shop.coupons
SELECT CASE WHEN i % 10 <> 0 THEN 'SAVE' || i / 2 END, CASE WHEN i % 3 = 0 THEN 1 + pg_temp.draw(i / 2, 73, :customers) END,
       1 + (i / 2) % 100, daterange('2024-01-01', date '2024-02-01' + (i / 2) % 300)
FROM generate_series(2, :customers / 2) AS i;

INSERT INTO shop.reviews
SELECT 1000 + pg_temp.draw(i, 74, :products), i % :customers + 1, 1 + pg_temp.draw(i, 75, 5), pg_temp.kind_of_thing(i) || ' ' || pg_temp.thing(i),
       pg_temp.prose(i + 3, 40 + pg_temp.draw(i, 76, 260)), pg_temp.moment(i, 77)
FROM generate_series(1, :reviews) AS i;

INSERT INTO stock.warehouses (id, name, place, area, network, closes)
SELECT i, (ARRAY['Hafen', 'Nordlager', 'Entrepôt', '倉庫'])[i], point(8.5 + i, 53.25 - i / 8.0),
       polygon(box(point(i, i), point(i + 2.5, i + 1))), ('10.' || i || '.0.0/16')::cidr, '18:00+02'
FROM generate_series(1, 4) AS i;
SELECT setval('stock.warehouses_id_seq', 4);
INSERT INTO stock.levels
SELECT w, 999 + i, pg_temp.draw(i * 4 + w, 81, 500), CASE WHEN i % 3 = 0 THEN 20 END, pg_temp.moment(i * 4 + w, 82)
FROM generate_series(1, :products) AS i, generate_series(1, 4) AS w;
INSERT INTO stock.level_cache (product_id, on_hand, computed_at)
SELECT product_id, sum(on_hand), '2026-03-31 12:00+00' FROM stock.levels GROUP BY product_id ORDER BY product_id;
INSERT INTO stock.scans
SELECT ('08:00:2b:01:02:' || lpad(to_hex(i % 16), 2, '0'))::macaddr, (pg_temp.moment(i / 3, 83) AT TIME ZONE 'UTC'),
       lpad((i / 3 * 7919::bigint % 100000000)::text, 13, '0'), CASE WHEN i % 50 = 0 THEN 'NaN' ELSE (i / 3) * 1.1 END
FROM generate_series(3, :scans + 2) AS i;
INSERT INTO stock.movements (id, warehouse_id, product_id, moved_at, quantity, reason)
SELECT i, 1 + pg_temp.draw(i, 84, 4), 1000 + pg_temp.draw(i, 85, :products), timestamptz '2023-01-01+00' + i * interval '7 minutes',
       pg_temp.draw(i, 86, 200) - 100, CASE WHEN i % 4 = 0 THEN pg_temp.phrase(i, 57) END
FROM generate_series(1, :movements) AS i;
SELECT setval(pg_get_serial_sequence('stock.movements', 'id'), :movements);
INSERT INTO stock.reservations (shelves, during, reserved_for, is_cancelled)
SELECT int4range(i * 10, i * 10 + 1 + pg_temp.draw(i, 87, 9)),
       tstzrange(pg_temp.moment(i, 88), pg_temp.moment(i, 88) + make_interval(hours => 1 + pg_temp.draw(i, 89, 72)), '[)'),
       pg_temp.family_name(i), i % 9 = 0
FROM generate_series(1, :reservations) AS i;

INSERT INTO staff.employees
SELECT i, CASE WHEN i > 1 THEN i / 5 + 1 END, ('user' || i)::name,
       ROW(pg_temp.given_name(i + 9) || ' ' || pg_temp.family_name(i + 9), NULL, date '1960-01-01' + pg_temp.draw(i, 91, 15000))::shop.person,
       (2500 + pg_temp.draw(i, 92, 400000) / 100.0)::numeric::money,
       daterange(date '2005-01-01' + pg_temp.draw(i, 93, 7000), NULL), (i % 256)::bit(8), NULL
FROM generate_series(1, :employees) AS i;
UPDATE staff.employees SET manager_id = NULL WHERE manager_id = id;
INSERT INTO staff.holidays
SELECT 1 + pg_temp.draw(i, 94, :employees), daterange(day, day + 1 + pg_temp.draw(i, 95, 14)), (ARRAY[true, false, NULL])[1 + i % 3]
FROM (SELECT i, date '2025-01-01' + pg_temp.draw(i, 96, 365) AS day FROM generate_series(1, :employees * 3) AS i) AS drawn;

INSERT INTO analytics.events
SELECT pg_temp.moment(i, 97), (ARRAY['visit', 'visit', 'visit', 'search', 'basket', 'order'])[1 + pg_temp.draw(i, 98, 6)],
       CASE WHEN i % 3 <> 0 THEN 1 + pg_temp.draw(i, 99, :customers) END,
       make_interval(months => i % 2, secs => pg_temp.draw(i, 100, 600000) / 1000.0),
       jsonb_build_object('page', '/' || pg_temp.thing(i), 'agent', pg_temp.one_of('{Firefox,Safari,curl/8}'::text[], i, 101),
           'position', jsonb_build_array(i % 7, i % 11))
FROM generate_series(1, :events) AS i;

INSERT INTO library.papers SELECT i, 'Paper ' || i, date '1999-12-31' + i, pg_temp.prose(i, 120) FROM generate_series(1, 50) AS i;
INSERT INTO library.letters SELECT i, 'Letter ' || i, NULL, pg_temp.prose(i, 90), pg_temp.given_name(i), i % 2 = 0
FROM generate_series(1, 40) AS i;
INSERT INTO library.manuals (pages, language, id, title) SELECT i, 'de', i, 'Manual ' || i FROM generate_series(1, 30) AS i;
INSERT INTO library.documents (id, title, body, attachment)
SELECT i, pg_temp.product_name(i), repeat(pg_temp.prose(i, 300), 1 + pg_temp.draw(i, 102, CASE WHEN i % 20 = 0 THEN 400 ELSE 12 END)),
       CASE WHEN i % 5 = 0 THEN decode((SELECT string_agg(md5(i || ' ' || n), '') FROM generate_series(1, 64 + i % 700) AS n), 'hex') END
FROM generate_series(1, :documents) AS i;
UPDATE library.documents SET words = to_tsvector('simple', left(title || ' ' || body, 1000));

SELECT setval('shop.parcel_labels', 9998), setval('shop.countdown', -41), setval('shop.nearly_used_up', 32760),
       setval('shop.invoice_numbers', 100000 + :orders, false);
