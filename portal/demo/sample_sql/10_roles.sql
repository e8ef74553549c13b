-- Roles of the whole server, created where they are missing; role_password is empty for logins without a password.
SELECT format('CREATE ROLE %I %s', role, attributes) FROM (VALUES
    ('shop_owner', 'NOLOGIN'),
    ('shop_reader', 'NOLOGIN'),
    ('shop_app', 'LOGIN CONNECTION LIMIT 50'),
    ('shop_analyst', 'LOGIN VALID UNTIL ''2035-01-01 00:00:00+00'''),
    ('stock_manager', 'NOLOGIN NOINHERIT'),
    ('Zoë from "Support"', 'LOGIN')
) AS wanted (role, attributes)
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) \gexec

SELECT format('ALTER ROLE %I PASSWORD %L', role, :'role_password')
FROM unnest(ARRAY['shop_app', 'shop_analyst']) AS role WHERE :'role_password' <> '' \gexec

SELECT format('GRANT shop_owner TO %I', current_user)
WHERE NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) \gexec

GRANT shop_reader TO shop_analyst;
GRANT shop_reader TO shop_app;
GRANT stock_manager TO shop_app;
GRANT shop_reader TO "Zoë from ""Support""" WITH ADMIN OPTION;
COMMENT ON ROLE shop_app IS 'The web shop''s own login';
ALTER ROLE shop_app SET statement_timeout = '30s';
ALTER ROLE shop_analyst SET work_mem = '16MB';

SELECT current_database() AS database \gset
GRANT CREATE, CONNECT ON DATABASE :"database" TO shop_owner;
GRANT CONNECT ON DATABASE :"database" TO shop_reader, shop_app WITH GRANT OPTION;
REVOKE TEMPORARY ON DATABASE :"database" FROM PUBLIC;
ALTER DATABASE :"database" SET default_statistics_target = 150;
ALTER ROLE shop_app IN DATABASE :"database" SET search_path = shop, stock, public;
COMMENT ON DATABASE :"database" IS 'Nordlicht Outfitters: a sample database for the migration portal ⛰';
