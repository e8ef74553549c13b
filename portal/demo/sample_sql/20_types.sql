-- Schemas, enums, domains, composite and range types, a collation, a text search configuration, and functions that types need.
CREATE SCHEMA shop AUTHORIZATION shop_owner;
CREATE SCHEMA stock AUTHORIZATION shop_owner;
CREATE SCHEMA staff AUTHORIZATION shop_owner;
CREATE SCHEMA analytics AUTHORIZATION shop_owner;
CREATE SCHEMA library AUTHORIZATION shop_owner;
CREATE SCHEMA "Öd d" AUTHORIZATION shop_owner;
CREATE SCHEMA "empty schema" AUTHORIZATION shop_owner;
SET ROLE shop_owner;

-- Before data of those tables exists, so that every table below is granted by them.
ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA analytics GRANT SELECT ON TABLES TO shop_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA shop GRANT USAGE ON SEQUENCES TO shop_app;
ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

CREATE TYPE shop.order_state AS ENUM ('new', 'paid', 'packed', 'on its way', 'delivered', 'returned', 'cancelled');
CREATE TYPE shop.garment_size AS ENUM ('XS', 'S', 'M', 'L', 'XL', 'one size');
CREATE TYPE shop.payment_method AS ENUM ('card', 'invoice', 'transfer', 'voucher');
COMMENT ON TYPE shop.order_state IS 'Order of states matters: an order only moves forward';

CREATE DOMAIN shop.email_address AS varchar(254) CHECK (value LIKE '%_@_%');
CREATE DOMAIN shop.cents AS bigint DEFAULT 0 NOT NULL CONSTRAINT not_negative CHECK (value >= 0);
CREATE DOMAIN shop.country_code AS char(2) CONSTRAINT two_capitals CHECK (value ~ '^[A-Z]{2}$');
CREATE DOMAIN shop.european_country AS shop.country_code CHECK (value <> 'US');
COMMENT ON DOMAIN shop.cents IS 'Amounts of money, in the smallest unit';

CREATE TYPE shop.address AS (street text, city text, postcode varchar(12), country shop.country_code);
CREATE TYPE shop.person AS (name text, home shop.address, born date);
CREATE TYPE shop.price_range AS RANGE (SUBTYPE = numeric);
COMMENT ON COLUMN shop.address.postcode IS 'As written on a parcel';

CREATE COLLATION shop.byte_order (LOCALE = 'C');

CREATE TEXT SEARCH DICTIONARY shop.lower_case (TEMPLATE = pg_catalog.simple, accept = false);
CREATE TEXT SEARCH CONFIGURATION shop.catalogue (COPY = pg_catalog.english);
ALTER TEXT SEARCH CONFIGURATION shop.catalogue
    ALTER MAPPING FOR asciiword, asciihword, hword_asciipart WITH shop.lower_case, english_stem;
COMMENT ON TEXT SEARCH CONFIGURATION shop.catalogue IS 'English, and product codes as they are';

CREATE FUNCTION shop.is_sku(code text) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT
    AS $$ SELECT code ~ '^[A-Z]{3}-[0-9]{6}$' $$;
CREATE FUNCTION shop.one_line(a shop.address) RETURNS text LANGUAGE sql IMMUTABLE
    AS $$ SELECT concat_ws(', ', (a).street, (a).postcode || ' ' || (a).city, (a).country) $$;
CREATE CAST (shop.address AS text) WITH FUNCTION shop.one_line(shop.address) AS ASSIGNMENT;
CREATE FUNCTION shop.same_letters(a text, b text) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT
    AS $$ SELECT lower(a) = lower(b) $$;
CREATE OPERATOR shop.=~= (LEFTARG = text, RIGHTARG = text, PROCEDURE = shop.same_letters, COMMUTATOR = OPERATOR(shop.=~=));
CREATE FUNCTION shop.add_weighted(state numeric[], value numeric, weight numeric) RETURNS numeric[] LANGUAGE sql IMMUTABLE
    AS $$ SELECT ARRAY[state[1] + coalesce(value * weight, 0), state[2] + coalesce(weight, 0)] $$;
CREATE FUNCTION shop.divide_weighted(state numeric[]) RETURNS numeric LANGUAGE sql IMMUTABLE
    AS $$ SELECT CASE WHEN state[2] <> 0 THEN round(state[1] / state[2], 4) END $$;
CREATE AGGREGATE shop.weighted_average(numeric, numeric) (
    SFUNC = shop.add_weighted, STYPE = numeric[], INITCOND = '{0,0}', FINALFUNC = shop.divide_weighted);
COMMENT ON AGGREGATE shop.weighted_average(numeric, numeric) IS 'Average of the first argument, weighted by the second';

CREATE SEQUENCE shop.invoice_numbers START 100000 INCREMENT 1 CACHE 20;
CREATE SEQUENCE shop.parcel_labels AS integer MINVALUE 1 MAXVALUE 9999 CYCLE;
CREATE SEQUENCE shop.countdown INCREMENT -1 MAXVALUE 0 MINVALUE -1000000 START 0;
CREATE SEQUENCE shop.nearly_used_up AS smallint MAXVALUE 32767;
CREATE SEQUENCE shop.never_used;
COMMENT ON SEQUENCE shop.parcel_labels IS 'Starts again after 9999';
