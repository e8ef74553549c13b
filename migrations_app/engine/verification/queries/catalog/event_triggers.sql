-- Event triggers.
SELECT 'event trigger', NULL::text, NULL::text, t.evtname::text,
       jsonb_build_object(
           'event', t.evtevent, 'tags', (SELECT array_agg(g ORDER BY g) FROM unnest(t.evttags) g),
           'function', t.evtfoid::regprocedure, 'enabled', t.evtenabled,
           'owner', pg_get_userbyid(t.evtowner), 'comment', obj_description(t.oid, 'pg_event_trigger'))
FROM pg_event_trigger t
WHERE NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = 'pg_event_trigger'::regclass AND e.objid = t.oid AND e.deptype = 'e')
