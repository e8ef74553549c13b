-- Functions, procedures, window functions and aggregates, identified by name and arguments.
-- Since 14 the arguments of a procedure are printed with IN, and before they were not; their types are the same.
SELECT CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END, -- [11+]
SELECT CASE WHEN p.proisagg THEN 'aggregate' ELSE 'function' END, -- [<11]
       n.nspname, NULL::text,
       concat(n.nspname, '.', p.proname, '(',
           CASE p.prokind WHEN 'p' THEN ( -- [11+]
               SELECT string_agg(format_type(o.type, NULL), ', ' ORDER BY o.position) -- [11+]
               FROM unnest(p.proargtypes) WITH ORDINALITY AS o(type, position)) ELSE -- [11+]
           pg_get_function_identity_arguments(p.oid)
           END -- [11+]
           , ')'),
       jsonb_build_object(
           'window', p.prokind = 'w', -- [11+]
           'window', p.proiswindow, -- [<11]
           'language', l.lanname,
           'arguments', pg_get_function_arguments(p.oid),
           'result', pg_get_function_result(p.oid),
           'body', CASE WHEN l.lanname = 'internal' OR g.aggfnoid IS NULL THEN p.prosrc END,
           'library', p.probin,
           'SQL body', pg_get_function_sqlbody(p.oid), -- [14+]
           'volatility', p.provolatile,
           'strict', p.proisstrict,
           'security definer', p.prosecdef,
           'leakproof', p.proleakproof,
           'parallel', p.proparallel,
           'cost', p.procost,
           'rows', p.prorows,
           'settings', CASE WHEN p.proconfig IS NOT NULL THEN (SELECT array_agg(o ORDER BY o) FROM unnest(p.proconfig) o) END,
           'transforms', (SELECT array_agg(format_type(o, NULL)) FROM unnest(p.protrftypes) o),
           'support function', nullif(p.prosupport::text, '-'), -- [12+]
           'aggregate kind', g.aggkind,
           'direct arguments', g.aggnumdirectargs,
           'functions of the aggregate', CASE WHEN g.aggfnoid IS NOT NULL THEN jsonb_build_object(
               'transition', g.aggtransfn::regprocedure, 'final', g.aggfinalfn::regprocedure,
               'combine', g.aggcombinefn::regprocedure, 'serial', g.aggserialfn::regprocedure,
               'deserial', g.aggdeserialfn::regprocedure, 'moving transition', g.aggmtransfn::regprocedure,
               'moving inverse', g.aggminvtransfn::regprocedure, 'moving final', g.aggmfinalfn::regprocedure) END,
           'state of the aggregate', CASE WHEN g.aggfnoid IS NOT NULL THEN jsonb_build_object(
               'type', format_type(g.aggtranstype, NULL), 'space', g.aggtransspace, 'initial', g.agginitval,
               'moving type', CASE WHEN g.aggmtranstype <> 0 THEN format_type(g.aggmtranstype, NULL) END,
               'moving space', g.aggmtransspace, 'moving initial', g.aggminitval, 'extra', g.aggfinalextra,
               'moving extra', g.aggmfinalextra, 'sort operator', g.aggsortop::regoperator) END,
           'modification of the state', concat(g.aggfinalmodify, g.aggmfinalmodify), -- [11+]
           'owner', pg_get_userbyid(p.proowner),
           'grants', coalesce(p.proacl, acldefault('f', p.proowner))::text[],
           'comment', obj_description(p.oid, 'pg_proc'))
FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace
JOIN pg_language l ON l.oid = p.prolang
LEFT JOIN pg_aggregate g ON g.aggfnoid = p.oid
WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '_migration_portal')
  AND NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e')
  AND NOT EXISTS (SELECT FROM pg_depend i
                  WHERE i.classid = 'pg_proc'::regclass AND i.objid = p.oid AND i.deptype = 'i')
