-- Moves a counter: waits for its row. What adds nothing creates nothing. Returns the value, or the one that is too large
-- to be added to.
CREATE OR REPLACE FUNCTION {schema}.count(
    a_place bytea, a_delta bigint, a_ceiling bigint, a_lifetime bigint,
    OUT r_value bigint, OUT r_is_too_large boolean
) LANGUAGE plpgsql AS $$
DECLARE
    c {schema}.counter;
BEGIN
    r_is_too_large := false;
    LOOP
        UPDATE {schema}.counter SET value = greatest(value + a_delta, 0)
        WHERE place = a_place AND expires > clock_timestamp() AND (a_delta <= 0 OR value <= a_ceiling - a_delta)
        RETURNING value INTO r_value;
        IF FOUND THEN
            RETURN;
        END IF;
        -- It is missing, over, or too large.
        SELECT * INTO c FROM {schema}.counter WHERE place = a_place FOR UPDATE;
        IF FOUND AND c.expires > clock_timestamp() THEN
            CONTINUE WHEN a_delta <= 0 OR c.value <= a_ceiling - a_delta;
            r_value := c.value;
            r_is_too_large := true;
            RETURN;
        END IF;
        r_value := 0;
        r_is_too_large := a_delta > a_ceiling;
        IF a_delta <= 0 OR r_is_too_large THEN
            -- What is over goes: a clock that is set back does not bring it back.
            DELETE FROM {schema}.counter WHERE place = a_place AND c.place IS NOT NULL;
            r_is_too_large := r_is_too_large AND a_delta > 0;
            RETURN;
        END IF;
        r_value := a_delta;
        IF c.place IS NOT NULL THEN
            UPDATE {schema}.counter SET value = a_delta, expires = {schema}.after(clock_timestamp(), a_lifetime)
            WHERE place = a_place;
            RETURN;
        ELSIF a_lifetime = 0 THEN
            RETURN;
        END IF;
        INSERT INTO {schema}.counter (place, value, expires)
        VALUES (a_place, a_delta, {schema}.after(clock_timestamp(), a_lifetime)) ON CONFLICT DO NOTHING;
        EXIT WHEN FOUND;
    END LOOP;
END
$$;

-- Says that somebody waits for some places. The processes that wait for one of them share its row: most find it there.
CREATE OR REPLACE FUNCTION {schema}.wait(a_locks bigint[], a_milliseconds bigint) RETURNS void LANGUAGE sql AS $$
    INSERT INTO {schema}.waiter (lock, until)
    SELECT l, {schema}.after(clock_timestamp(), a_milliseconds) FROM unnest(a_locks) l
    WHERE NOT EXISTS (
        SELECT FROM {schema}.waiter w
        WHERE w.lock = l AND w.until > {schema}.after(clock_timestamp(), a_milliseconds / 2)
    )
    ORDER BY l
    ON CONFLICT (lock) DO UPDATE SET until = excluded.until
$$;

-- Some blocks of a table, as a range of its rows: those of a walk that has passed a_block blocks since a_start, which is
-- a share of the table. It begins anew at the table's end.
CREATE OR REPLACE FUNCTION {schema}.walk(
    a_table regclass, a_block bigint, a_blocks bigint, a_start double precision, OUT r_low tid, OUT r_high tid
) LANGUAGE plpgsql AS $$
DECLARE
    blocks bigint := pg_relation_size(a_table) / current_setting('block_size')::bigint;
    steps bigint := greatest((blocks + a_blocks - 1) / a_blocks, 1);
    first bigint := (floor(a_start * steps)::bigint + a_block / a_blocks) % steps * a_blocks;
BEGIN
    r_low := format('(%s,0)', first)::tid;
    r_high := format('(%s,0)', first + a_blocks)::tid;
END
$$;

-- Deletes what is over in some blocks of each table, and skips what is locked. Returns how many rows.
CREATE OR REPLACE FUNCTION {schema}.cull(a_block bigint, a_blocks bigint, a_start double precision DEFAULT 0)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    b record;
    deleted bigint;
    sum bigint := 0;
BEGIN
    SELECT * INTO b FROM {schema}.walk('{schema}.entry', a_block, a_blocks, a_start);
    DELETE FROM {schema}.entry WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM {schema}.entry
        WHERE ctid >= b.r_low AND ctid < b.r_high AND expires <= clock_timestamp() FOR UPDATE SKIP LOCKED
    ));
    GET DIAGNOSTICS deleted = ROW_COUNT;
    sum := sum + deleted;
    SELECT * INTO b FROM {schema}.walk('{schema}.place', a_block, a_blocks, a_start);
    DELETE FROM {schema}.place WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM {schema}.place
        WHERE ctid >= b.r_low AND ctid < b.r_high AND (token IS NULL OR until <= clock_timestamp())
            AND (pause_until IS NULL OR pause_until <= clock_timestamp())
        FOR UPDATE SKIP LOCKED
    ));
    GET DIAGNOSTICS deleted = ROW_COUNT;
    sum := sum + deleted;
    SELECT * INTO b FROM {schema}.walk('{schema}.counter', a_block, a_blocks, a_start);
    DELETE FROM {schema}.counter WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM {schema}.counter
        WHERE ctid >= b.r_low AND ctid < b.r_high AND expires <= clock_timestamp() FOR UPDATE SKIP LOCKED
    ));
    GET DIAGNOSTICS deleted = ROW_COUNT;
    sum := sum + deleted;
    SELECT * INTO b FROM {schema}.walk('{schema}.waiter', a_block, a_blocks, a_start);
    DELETE FROM {schema}.waiter WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM {schema}.waiter
        WHERE ctid >= b.r_low AND ctid < b.r_high AND until <= clock_timestamp() FOR UPDATE SKIP LOCKED
    ));
    GET DIAGNOSTICS deleted = ROW_COUNT;
    RETURN sum + deleted;
END
$$;
