-- Indexes, constraints that own one, and statistics objects, with the ordinary table they belong to.
SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::oid::bigint AS class_oid, i.indexrelid::bigint AS oid,
       n.nspname AS schema, c.relname AS name
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indrelid AND c.relkind = 'r'
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname !~ '^pg_'
UNION ALL
SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass::oid::bigint, o.oid::bigint, n.nspname, c.relname
FROM pg_catalog.pg_constraint o
JOIN pg_catalog.pg_class c ON c.oid = o.conrelid AND c.relkind = 'r'
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE o.contype IN ('p', 'u', 'x') AND n.nspname !~ '^pg_'
UNION ALL
SELECT 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass::oid::bigint, s.oid::bigint, n.nspname, c.relname
FROM pg_catalog.pg_statistic_ext s
JOIN pg_catalog.pg_class c ON c.oid = s.stxrelid AND c.relkind = 'r'
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname !~ '^pg_'
