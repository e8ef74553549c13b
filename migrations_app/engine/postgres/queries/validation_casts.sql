-- Casts that people made: how each works, and whether one of its types is the people's own.
SELECT castsource::regtype::text AS source, casttarget::regtype::text AS target, castmethod::text AS method,
       EXISTS (SELECT FROM pg_type t WHERE t.oid IN (c.castsource, c.casttarget) AND t.oid >= 16384) AS of_own_type
  FROM pg_cast c
 WHERE c.oid >= 16384
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_cast'::regclass AND e.objid = c.oid AND e.deptype = 'e')
 ORDER BY 1, 2
