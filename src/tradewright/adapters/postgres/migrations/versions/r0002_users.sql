-- Who may log in. Hashes and the sealed TOTP secret are opaque to the database.

CREATE TABLE users (
    id             text        NOT NULL,
    name           text        NOT NULL,
    email          text,
    roles          text[]      NOT NULL,
    all_strategies boolean     NOT NULL DEFAULT false,
    password       text,
    totp           text,
    totp_step      bigint,
    recovery       text[]      NOT NULL DEFAULT '{}',
    setup          text,
    setup_until    timestamptz,
    subject        text,
    disabled       boolean     NOT NULL DEFAULT false,
    failures       integer     NOT NULL DEFAULT 0,
    locked_until   timestamptz,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    version        bigint      NOT NULL,

    CONSTRAINT users_pkey PRIMARY KEY (id),
    CONSTRAINT users_name_key UNIQUE (name),
    CONSTRAINT users_email_key UNIQUE (email),
    CONSTRAINT users_subject_key UNIQUE (subject),
    CONSTRAINT users_name_check CHECK (name = lower(name) AND name <> ''),
    CONSTRAINT users_email_check CHECK (email = lower(email)),
    CONSTRAINT users_roles_check CHECK (
        roles <@ ARRAY['viewer', 'researcher', 'operator', 'risk_officer', 'admin']
    ),
    CONSTRAINT users_failures_check CHECK (failures >= 0),
    CONSTRAINT users_setup_check CHECK ((setup IS NULL) = (setup_until IS NULL)),
    -- A secret in the clear never looks like this.
    CONSTRAINT users_password_check CHECK (password LIKE '$argon2id$%'),
    CONSTRAINT users_totp_check CHECK (totp LIKE 'v1.%')
);

CREATE TABLE user_strategy_access (
    user_id     text NOT NULL,
    strategy_id text NOT NULL,

    CONSTRAINT user_strategy_access_pkey PRIMARY KEY (user_id, strategy_id),
    CONSTRAINT user_strategy_access_user_fkey
        FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);
