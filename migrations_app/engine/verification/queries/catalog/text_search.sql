-- Text search configurations, dictionaries, parsers and templates.
SELECT 'text search configuration', n.nspname, NULL::text, concat(n.nspname, '.', c.cfgname),
       jsonb_build_object(
           'parser', (SELECT concat(pn.nspname, '.', p.prsname) FROM pg_ts_parser p
                      JOIN pg_namespace pn ON pn.oid = p.prsnamespace WHERE p.oid = c.cfgparser),
           'mappings', (SELECT array_agg(concat(m.maptokentype, ': ', m.mapdict::regdictionary)
                                         ORDER BY m.maptokentype, m.mapseqno)
                        FROM pg_ts_config_map m WHERE m.mapcfg = c.oid),
           'owner', pg_get_userbyid(c.cfgowner), 'comment', obj_description(c.oid, 'pg_ts_config'))
FROM pg_ts_config c
JOIN pg_namespace n ON n.oid = c.cfgnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '_migration_portal')
  AND NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = 'pg_ts_config'::regclass AND e.objid = c.oid AND e.deptype = 'e')
UNION ALL
SELECT 'text search dictionary', n.nspname, NULL::text, concat(n.nspname, '.', d.dictname),
       jsonb_build_object(
           'template', (SELECT concat(tn.nspname, '.', t.tmplname) FROM pg_ts_template t
                        JOIN pg_namespace tn ON tn.oid = t.tmplnamespace WHERE t.oid = d.dicttemplate),
           'options', d.dictinitoption,
           'owner', pg_get_userbyid(d.dictowner), 'comment', obj_description(d.oid, 'pg_ts_dict'))
FROM pg_ts_dict d
JOIN pg_namespace n ON n.oid = d.dictnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '_migration_portal')
  AND NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = 'pg_ts_dict'::regclass AND e.objid = d.oid AND e.deptype = 'e')
UNION ALL
SELECT 'text search parser', n.nspname, NULL::text, concat(n.nspname, '.', p.prsname),
       jsonb_build_object(
           'functions', jsonb_build_array(p.prsstart::regproc, p.prstoken::regproc, p.prsend::regproc,
                                          p.prsheadline::regproc, p.prslextype::regproc),
           'comment', obj_description(p.oid, 'pg_ts_parser'))
FROM pg_ts_parser p
JOIN pg_namespace n ON n.oid = p.prsnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '_migration_portal')
  AND NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = 'pg_ts_parser'::regclass AND e.objid = p.oid AND e.deptype = 'e')
UNION ALL
SELECT 'text search template', n.nspname, NULL::text, concat(n.nspname, '.', t.tmplname),
       jsonb_build_object(
           'functions', jsonb_build_array(t.tmplinit::regproc, t.tmpllexize::regproc),
           'comment', obj_description(t.oid, 'pg_ts_template'))
FROM pg_ts_template t
JOIN pg_namespace n ON n.oid = t.tmplnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '_migration_portal')
  AND NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = 'pg_ts_template'::regclass AND e.objid = t.oid AND e.deptype = 'e')
