-- name: add
INSERT INTO users (
    id, name, email, roles, all_strategies, password, totp, totp_step, recovery, setup,
    setup_until, subject, disabled, created_at, updated_at, version
) VALUES (
    %(id)s, %(name)s, %(email)s, %(roles)s, %(all_strategies)s, %(password)s, %(totp)s,
    %(totp_step)s, %(recovery)s, %(setup)s, %(setup_until)s, %(subject)s, %(disabled)s,
    %(created_at)s, %(updated_at)s, %(version)s
)
ON CONFLICT DO NOTHING
RETURNING id

-- name: grant
INSERT INTO user_strategy_access (user_id, strategy_id)
SELECT %(id)s, unnest(%(strategies)s::text[])
ON CONFLICT DO NOTHING

-- name: withdraw
DELETE FROM user_strategy_access
WHERE user_id = %(id)s AND NOT strategy_id = ANY (%(strategies)s::text[])

-- name: find
SELECT users.*, coalesce(
    (SELECT array_agg(strategy_id) FROM user_strategy_access WHERE user_id = users.id), '{}'
) AS strategies
FROM users
WHERE (%(id)s::text IS NULL OR id = %(id)s)
    AND (%(name)s::text IS NULL OR name = %(name)s)
    AND (%(email)s::text IS NULL OR email = %(email)s)
    AND (%(subject)s::text IS NULL OR subject = %(subject)s)
ORDER BY name

-- name: put
UPDATE users SET
    name = %(name)s,
    email = %(email)s,
    roles = %(roles)s,
    all_strategies = %(all_strategies)s,
    password = %(password)s,
    totp = %(totp)s,
    totp_step = %(totp_step)s,
    recovery = %(recovery)s,
    setup = %(setup)s,
    setup_until = %(setup_until)s,
    subject = %(subject)s,
    disabled = %(disabled)s,
    updated_at = %(updated_at)s,
    version = version + 1
WHERE id = %(id)s AND version = %(expected)s
RETURNING version

-- name: lock_admins
SELECT pg_advisory_xact_lock(7203115882)

-- name: admins
SELECT count(*) AS found FROM users WHERE 'admin' = ANY (roles) AND NOT disabled

-- name: begin_attempt
WITH counted AS (
    SELECT id, CASE
        WHEN locked_until <= %(forgotten)s THEN 1 ELSE failures + 1
    END AS failures
    FROM users
    WHERE id = %(id)s AND (locked_until IS NULL OR locked_until <= %(at)s)
    FOR UPDATE
)
UPDATE users SET
    failures = counted.failures,
    locked_until = %(at)s + (%(delays)s::interval[])[
        least(counted.failures, cardinality(%(delays)s::interval[]))
    ]
FROM counted
WHERE users.id = counted.id
RETURNING users.id

-- name: clear_attempts
UPDATE users SET failures = 0, locked_until = NULL WHERE id = %(id)s
