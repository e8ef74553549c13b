-- {small_tables} small tables with a serial key, an index and up to 200 rows each, one in five empty.
CREATE SCHEMA small;
DO $$
BEGIN
    FOR t IN 1..{small_tables} LOOP
        EXECUTE format('CREATE TABLE small.%I (id serial PRIMARY KEY, name text NOT NULL, at timestamptz, v numeric)', 'table_' || t);
        EXECUTE format(
            'INSERT INTO small.%I (name, at, v) SELECT md5(n::text), timestamptz ''2024-01-01'' + n * interval ''1 hour'', n / 7.0 '
            'FROM generate_series(1, %s) n', 'table_' || t, CASE WHEN t % 5 = 0 THEN 0 ELSE 10 + t * 37 % 190 END);
        EXECUTE format('CREATE INDEX ON small.%I (name)', 'table_' || t);
    END LOOP;
END $$;
