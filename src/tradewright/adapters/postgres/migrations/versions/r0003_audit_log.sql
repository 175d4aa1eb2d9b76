-- Who did what, as a hash chain of its own beside the journal's.
-- The body is text and not jsonb: its bytes are hashed, so they are kept as they were written.
-- entry_id tells an entry that is written again after a lost answer; it is not part of the chain.

CREATE TABLE audit_log (
    seq       bigint      NOT NULL,
    entry_id  text        NOT NULL,
    at        timestamptz NOT NULL,
    actor     text        NOT NULL,
    kind      text        NOT NULL,
    body      text        NOT NULL,
    prev_hash text        NOT NULL,
    hash      text        NOT NULL,

    CONSTRAINT audit_log_pkey PRIMARY KEY (seq),
    CONSTRAINT audit_log_entry_id_key UNIQUE (entry_id),
    CONSTRAINT audit_log_prev_hash_key UNIQUE (prev_hash),
    CONSTRAINT audit_log_hash_key UNIQUE (hash),
    CONSTRAINT audit_log_seq_check CHECK (seq > 0)
);

CREATE INDEX audit_log_time ON audit_log (at);
CREATE INDEX audit_log_actor ON audit_log (actor, seq);

CREATE TRIGGER audit_log_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION audit_log_follows() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    last_seq  bigint;
    last_hash text;
BEGIN
    SELECT seq, hash INTO last_seq, last_hash FROM audit_log ORDER BY seq DESC LIMIT 1;
    IF NEW.seq <> coalesce(last_seq, 0) + 1 OR NEW.prev_hash <> coalesce(last_hash, NEW.prev_hash)
    THEN
        RAISE EXCEPTION 'audit entry % does not follow entry %', NEW.seq, coalesce(last_seq, 0)
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER audit_log_follows
    BEFORE INSERT ON audit_log
    FOR EACH ROW EXECUTE FUNCTION audit_log_follows();
