-- {toasty} rows of about 20 kB each, half of it text that compresses a little, half bytes that do not.
CREATE TABLE app.toasty (id bigint PRIMARY KEY, title text, body text, picture bytea);
INSERT INTO app.toasty
SELECT n, 'row ' || n,
    (SELECT string_agg(md5(n || ' t ' || k), '' ORDER BY k) FROM generate_series(1, 320) k),
    (SELECT string_agg(decode(md5(n || ' b ' || k), 'hex'), '' ORDER BY k) FROM generate_series(1, 640) k)
FROM generate_series(1::bigint, {toasty}) n;
