-- A table in twelve monthly partitions of {partition_rows} rows each, with a primary key and one more index.
CREATE TABLE app.measured (id bigint NOT NULL, at timestamptz NOT NULL, sensor int NOT NULL, value double precision, note text)
    PARTITION BY RANGE (at);
DO $$
BEGIN
    FOR m IN 1..12 LOOP
        EXECUTE format(
            'CREATE TABLE app.%I PARTITION OF app.measured FOR VALUES FROM (%L) TO (%L)', 'measured_' || lpad(m::text, 2, '0'),
            make_timestamptz(2025, m, 1, 0, 0, 0, 'UTC'), make_timestamptz(2025, m, 1, 0, 0, 0, 'UTC') + interval '1 month');
    END LOOP;
END $$;
INSERT INTO app.measured
SELECT (m - 1) * {partition_rows}::bigint + n, make_timestamptz(2025, m, 1, 0, 0, 0, 'UTC') + n * interval '10 seconds',
    n % 500, n / 3.0, md5((m * n)::text)
FROM generate_series(1, 12) m, generate_series(1, {partition_rows}) n;
ALTER TABLE app.measured ADD PRIMARY KEY (at, id);
CREATE INDEX measured_sensor ON app.measured (sensor, at);
