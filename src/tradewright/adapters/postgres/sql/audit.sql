-- name: lock
SELECT pg_advisory_xact_lock(7203115883)

-- name: present
SELECT entry_id FROM audit_log WHERE entry_id = ANY(%(ids)s::text[])

-- name: last
SELECT seq, at, actor, kind, body, prev_hash, hash FROM audit_log ORDER BY seq DESC LIMIT 1

-- name: append
INSERT INTO audit_log (seq, entry_id, at, actor, kind, body, prev_hash, hash)
SELECT seq, entry_id, at, actor, kind, body, prev_hash, hash
FROM unnest(
    %(seq)s::bigint[], %(entry_id)s::text[], %(at)s::timestamptz[], %(actor)s::text[],
    %(kind)s::text[], %(body)s::text[], %(prev_hash)s::text[], %(hash)s::text[]
) AS entry (seq, entry_id, at, actor, kind, body, prev_hash, hash)
ORDER BY seq

-- name: since
SELECT seq, at, actor, kind, body, prev_hash, hash FROM audit_log
WHERE seq > %(seq)s ORDER BY seq LIMIT %(limit)s

-- name: find
SELECT seq, at, actor, kind, body, prev_hash, hash FROM audit_log
WHERE (%(actor)s::text IS NULL OR actor = %(actor)s)
  AND (%(kind)s::text IS NULL OR kind = %(kind)s)
  AND (%(start)s::timestamptz IS NULL OR at >= %(start)s)
ORDER BY seq DESC LIMIT %(limit)s
