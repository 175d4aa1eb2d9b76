-- Orders with where they stand, fills as they came, and the journal as a hash chain.
-- Money, prices and quantities are numeric without a scale: nothing is rounded on the way in.

CREATE TABLE orders (
    client_order_id  text        NOT NULL,
    parent_order_id  text,
    strategy_id      text        NOT NULL,
    instrument_id    text        NOT NULL,
    side             text        NOT NULL,
    qty              numeric     NOT NULL,
    order_type       text        NOT NULL,
    time_in_force    text        NOT NULL,
    limit_price      numeric,
    stop_price       numeric,
    trail_price      numeric,
    trail_fraction   numeric,
    reduce_only      boolean     NOT NULL,
    intent           text        NOT NULL,
    decided_at       timestamptz NOT NULL,
    broker_order_id  text,
    status           text        NOT NULL,
    status_rank      integer     NOT NULL,
    is_terminal      boolean     NOT NULL DEFAULT false,
    source_priority  integer     NOT NULL DEFAULT 2,
    filled_qty       numeric     NOT NULL DEFAULT 0,
    filled_notional  numeric     NOT NULL DEFAULT 0,
    filled_avg_price numeric,
    error_message    text        NOT NULL DEFAULT '',
    last_updated_at  timestamptz,
    updated_at       timestamptz NOT NULL,
    version          bigint      NOT NULL,

    CONSTRAINT orders_pkey PRIMARY KEY (client_order_id),
    CONSTRAINT orders_side_check CHECK (side IN ('buy', 'sell')),
    CONSTRAINT orders_status_check CHECK (status IN (
        'pending_new', 'dry_run',
        'submitted', 'submitted_unconfirmed', 'accepted', 'new', 'accepted_for_bidding', 'held',
        'pending_cancel', 'pending_replace', 'calculated', 'stopped', 'suspended',
        'done_for_day', 'partially_filled',
        'canceled', 'expired', 'failed', 'rejected', 'replaced',
        'blocked_kill_switch', 'blocked_circuit_breaker',
        'filled'
    )),
    CONSTRAINT orders_is_terminal_check CHECK (is_terminal = (status_rank >= 4)),
    CONSTRAINT orders_status_rank_check CHECK (status_rank BETWEEN 0 AND 5),
    CONSTRAINT orders_source_priority_check CHECK (source_priority BETWEEN 1 AND 3),
    -- NaN is larger than every number here, so the upper bound keeps it out.
    CONSTRAINT orders_qty_check CHECK (qty > 0 AND qty < 'Infinity'),
    CONSTRAINT orders_filled_qty_check CHECK (filled_qty >= 0 AND filled_qty < 'Infinity'),
    CONSTRAINT orders_prices_check CHECK (
        limit_price < 'Infinity' AND stop_price < 'Infinity' AND trail_price < 'Infinity'
        AND trail_fraction < 'Infinity' AND filled_avg_price < 'Infinity'
        AND filled_notional < 'Infinity'
    )
);

CREATE INDEX orders_open ON orders (decided_at, client_order_id) WHERE NOT is_terminal;
CREATE INDEX orders_parent ON orders (parent_order_id) WHERE parent_order_id IS NOT NULL;

-- No foreign key to orders: an execution of an order that we do not know has happened as well.
CREATE TABLE fills (
    execution_id    text        NOT NULL,
    client_order_id text        NOT NULL,
    instrument_id   text        NOT NULL,
    side            text        NOT NULL,
    qty             numeric     NOT NULL,
    price           numeric     NOT NULL,
    fee             numeric     NOT NULL,
    fee_currency    text        NOT NULL,
    liquidity       text        NOT NULL,
    filled_at       timestamptz NOT NULL,

    CONSTRAINT fills_pkey PRIMARY KEY (execution_id),
    CONSTRAINT fills_side_check CHECK (side IN ('buy', 'sell')),
    CONSTRAINT fills_qty_check CHECK (qty > 0 AND qty < 'Infinity'),
    CONSTRAINT fills_price_check CHECK (price >= 0 AND price < 'Infinity'),
    CONSTRAINT fills_fee_check CHECK (fee > '-Infinity' AND fee < 'Infinity')
);

CREATE INDEX fills_order ON fills (client_order_id);
CREATE INDEX fills_time ON fills (filled_at, execution_id);

-- The body is text and not jsonb: its bytes are hashed, so they are kept as they were written.
CREATE TABLE journal (
    seq       bigint      NOT NULL,
    at        timestamptz NOT NULL,
    actor     text        NOT NULL,
    kind      text        NOT NULL,
    body      text        NOT NULL,
    prev_hash text        NOT NULL,
    hash      text        NOT NULL,

    CONSTRAINT journal_pkey PRIMARY KEY (seq),
    CONSTRAINT journal_prev_hash_key UNIQUE (prev_hash),
    CONSTRAINT journal_hash_key UNIQUE (hash),
    CONSTRAINT journal_seq_check CHECK (seq > 0)
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE TRIGGER journal_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON journal
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER fills_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON fills
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION journal_follows() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    last_seq  bigint;
    last_hash text;
BEGIN
    SELECT seq, hash INTO last_seq, last_hash FROM journal ORDER BY seq DESC LIMIT 1;
    IF NEW.seq <> coalesce(last_seq, 0) + 1 OR NEW.prev_hash <> coalesce(last_hash, NEW.prev_hash)
    THEN
        RAISE EXCEPTION 'journal entry % does not follow entry %', NEW.seq, coalesce(last_seq, 0)
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER journal_follows
    BEFORE INSERT ON journal
    FOR EACH ROW EXECUTE FUNCTION journal_follows();
