-- name: insert
INSERT INTO orders (
    client_order_id, parent_order_id, strategy_id, instrument_id, side, qty, order_type,
    time_in_force, limit_price, stop_price, trail_price, trail_fraction, reduce_only, intent,
    decided_at, status, status_rank, is_terminal, updated_at, version
) VALUES (
    %(client_order_id)s, %(parent_order_id)s, %(strategy_id)s, %(instrument_id)s, %(side)s,
    %(qty)s, %(order_type)s, %(time_in_force)s, %(limit_price)s, %(stop_price)s,
    %(trail_price)s, %(trail_fraction)s, %(reduce_only)s, %(intent)s, %(decided_at)s,
    %(status)s, %(status_rank)s, %(is_terminal)s, %(updated_at)s, 0
)
ON CONFLICT (client_order_id) DO NOTHING
RETURNING *

-- name: get
SELECT * FROM orders WHERE client_order_id = %(client_order_id)s

-- name: open
SELECT * FROM orders WHERE NOT is_terminal ORDER BY decided_at, client_order_id

-- name: put
UPDATE orders SET
    broker_order_id = %(broker_order_id)s,
    status = %(status)s,
    status_rank = %(status_rank)s,
    is_terminal = %(is_terminal)s,
    source_priority = %(source_priority)s,
    filled_qty = %(filled_qty)s,
    filled_notional = %(filled_notional)s,
    filled_avg_price = %(filled_avg_price)s,
    error_message = %(error_message)s,
    last_updated_at = %(updated_at)s,
    updated_at = %(updated_at)s,
    version = %(version)s
WHERE client_order_id = %(client_order_id)s AND version = %(expected)s
RETURNING version

-- name: update_status
UPDATE orders SET
    status = %(status)s,
    status_rank = %(status_rank)s,
    is_terminal = %(is_terminal)s,
    source_priority = %(source_priority)s,
    filled_qty = greatest(filled_qty, %(filled_qty)s),
    filled_avg_price = CASE
        WHEN %(filled_qty)s > filled_qty THEN %(price)s ELSE filled_avg_price
    END,
    filled_notional = CASE
        WHEN %(filled_qty)s > filled_qty AND %(price)s IS NOT NULL
        THEN %(filled_qty)s * %(price)s
        ELSE filled_notional
    END,
    last_updated_at = %(at)s,
    updated_at = greatest(updated_at, %(at)s),
    version = version + 1
WHERE client_order_id = %(client_order_id)s
    AND (NOT is_terminal OR (status = 'filled' AND %(filled_qty)s > filled_qty))
    AND (
        last_updated_at IS NULL
        OR last_updated_at < %(at)s
        OR (last_updated_at = %(at)s AND (
            status_rank < %(status_rank)s
            OR (status_rank = %(status_rank)s AND (
                filled_qty < %(filled_qty)s
                OR (filled_qty = %(filled_qty)s AND source_priority < %(source_priority)s)
            ))
        ))
    )
RETURNING version

-- name: add_fill
INSERT INTO fills (
    execution_id, client_order_id, instrument_id, side, qty, price, fee, fee_currency,
    liquidity, filled_at
) VALUES (
    %(execution_id)s, %(client_order_id)s, %(instrument_id)s, %(side)s, %(qty)s, %(price)s,
    %(fee)s, %(fee_currency)s, %(liquidity)s, %(filled_at)s
)
ON CONFLICT (execution_id) DO NOTHING
RETURNING execution_id

-- name: fills
SELECT * FROM fills ORDER BY filled_at, execution_id

-- name: fills_of_order
SELECT * FROM fills WHERE client_order_id = %(client_order_id)s ORDER BY filled_at, execution_id
