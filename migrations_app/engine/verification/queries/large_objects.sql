-- A batch of large objects after a given one: owner, grants and comment.
SELECT m.oid::bigint,
       pg_get_userbyid(m.lomowner)::text AS owner,
       coalesce(m.lomacl, acldefault('L', m.lomowner))::text[] AS acl,
       obj_description(m.oid, 'pg_largeobject') AS comment
FROM pg_largeobject_metadata m
WHERE m.oid > %(after)s::bigint::oid
ORDER BY m.oid
LIMIT %(batch)s::bigint
