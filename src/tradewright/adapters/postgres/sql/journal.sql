-- name: lock
SELECT pg_advisory_xact_lock(7203115882)

-- name: head
SELECT seq, hash FROM journal ORDER BY seq DESC LIMIT 1

-- name: append
INSERT INTO journal (seq, at, actor, kind, body, prev_hash, hash)
SELECT seq, at, actor, kind, body, prev_hash, hash
FROM unnest(
    %(seq)s::bigint[], %(at)s::timestamptz[], %(actor)s::text[], %(kind)s::text[],
    %(body)s::text[], %(prev_hash)s::text[], %(hash)s::text[]
) AS entry (seq, at, actor, kind, body, prev_hash, hash)
ORDER BY seq

-- name: since
SELECT seq, at, actor, kind, body, prev_hash, hash FROM journal WHERE seq > %(seq)s ORDER BY seq
