-- What the functions share. A time that is null never comes.
CREATE OR REPLACE FUNCTION {schema}.after(a_now timestamptz, a_milliseconds bigint)
RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT coalesce(a_now + a_milliseconds * interval '1 millisecond', 'infinity')
$$;

-- A beat by a number of the sequence. A failover may turn back the sequence, but makes another life.
CREATE OR REPLACE FUNCTION {schema}.beat(a_number bigint, a_life bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT (a_number + (a_life & 4294967295)) % 4294967296
$$;

-- Whether anybody waits for the signals of a place.
CREATE OR REPLACE FUNCTION {schema}.is_awaited(a_lock bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    RETURN EXISTS (SELECT FROM {schema}.waiter WHERE lock = a_lock AND until > clock_timestamp());
END
$$;

-- What is asked before anything else. A transaction that has one snapshot for all of its statements does not see what
-- was committed before it got a lock. A session of ours whose life is over ends: the tables have been emptied, or are
-- others. (A user's session has no life.)
CREATE OR REPLACE FUNCTION {schema}.check() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    life text := current_setting('dogpile.life', true);
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE 'this transaction is not READ COMMITTED' USING ERRCODE = 'invalid_transaction_state';
    END IF;
    IF life <> '' AND life IS DISTINCT FROM (SELECT concat_ws(':', l.id, l.tableoid, l.xmin) FROM {schema}.life l) THEN
        RAISE 'the tables are of another life' USING ERRCODE = 'LIFE0';
    END IF;
END
$$;

-- The heartbeat of a session of looks asks the same: it calls no other function. It waits for nobody who has locked the
-- table, since looks would wait behind it.
CREATE OR REPLACE FUNCTION {schema}.alive() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    LOCK TABLE {schema}.life IN ACCESS SHARE MODE NOWAIT;
    PERFORM {schema}.check();
EXCEPTION WHEN lock_not_available THEN
    RETURN;
END
$$;

-- Takes the lock of a place for a change. False: another transaction has it.
CREATE OR REPLACE FUNCTION {schema}.enter(a_lock bigint, a_waits boolean) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM {schema}.check();
    IF a_waits THEN
        PERFORM pg_advisory_xact_lock(a_lock);
        RETURN true;
    END IF;
    RETURN pg_try_advisory_xact_lock(a_lock);
END
$$;

-- Whether a row of a place, or none, has a grant of a life, or its tombstone. The number of a tombstone is its length in
-- milliseconds: one that ends later than after that is one from before the clock was set back, and is over. What no
-- function has written is no grant.
CREATE OR REPLACE FUNCTION {schema}.is_grant(a_row {schema}.place, a_life bigint, a_now timestamptz)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    RETURN coalesce(
        a_row.token IS NOT NULL AND a_row.life = a_life AND a_row.until > a_now AND a_row.is_marked IS NOT NULL
            AND a_row.beat BETWEEN 0 AND 4294967295
            AND CASE
                WHEN a_row.is_void THEN a_row.until <= {schema}.after(a_now, a_row.number)
                ELSE a_row.is_void IS NOT NULL AND a_row.number IS NOT NULL
            END,
        false
    );
END
$$;

-- Takes the lock of a place and its row, for the holder of a grant. Waits for nothing. The answer: own, locked, gone,
-- overtaken, voided. A number that is null is any. Where the lock or the row is not to be had, the row as it was
-- committed may say that the grant is lost: that is so for ever.
CREATE OR REPLACE FUNCTION {schema}.own(
    a_place bytea, a_lock bigint, a_life bigint, a_token bigint, a_number bigint,
    OUT r_why text, OUT r_now timestamptz, OUT r_is_marked boolean, OUT r_is_paused boolean, OUT r_is_taken boolean
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    p {schema}.place;
BEGIN
    PERFORM {schema}.check();
    r_is_taken := false;
    IF pg_try_advisory_xact_lock(a_lock) THEN
        SELECT * INTO p FROM {schema}.place WHERE place = a_place FOR UPDATE SKIP LOCKED;
        r_is_taken := FOUND;
    END IF;
    IF NOT r_is_taken THEN
        SELECT * INTO p FROM {schema}.place WHERE place = a_place;
    END IF;
    r_now := clock_timestamp();
    r_is_marked := p.is_marked;
    r_is_paused := coalesce(p.pause_until > r_now, false);
    r_why := CASE
        WHEN NOT {schema}.is_grant(p, a_life, r_now) THEN 'gone'
        WHEN p.token <> a_token THEN 'overtaken'
        WHEN p.is_void THEN 'voided'
        WHEN p.number <> a_number THEN 'gone'
        WHEN r_is_taken THEN 'own'
        ELSE 'locked'
    END;
    -- A clock that is set back does not bring it back.
    IF r_is_taken AND r_why = 'gone' AND p.until <= r_now AND p.life = a_life AND p.token = a_token
        AND p.number = coalesce(a_number, p.number)
    THEN
        IF r_is_paused THEN
            UPDATE {schema}.place SET token = NULL WHERE place = a_place;
        ELSE
            DELETE FROM {schema}.place WHERE place = a_place;
        END IF;
    END IF;
END
$$;

-- Takes the row of a place, under the lock of the place. False: a stranger has it.
CREATE OR REPLACE FUNCTION {schema}.take_place(a_place bytea) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM {schema}.place WHERE place = a_place FOR UPDATE SKIP LOCKED;
    IF FOUND THEN
        RETURN true;
    END IF;
    PERFORM FROM {schema}.place WHERE place = a_place;
    RETURN NOT FOUND;
END
$$;

-- Takes the rows of some shapes, under the lock of the place. False: a stranger has one of them.
CREATE OR REPLACE FUNCTION {schema}.take_entries(a_place bytea, a_schemas bigint[], a_formats smallint[])
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    taken bigint;
BEGIN
    SELECT count(*) INTO taken FROM (
        SELECT FROM {schema}.entry e
        WHERE e.place = a_place AND (e.schema, e.format) IN (SELECT * FROM unnest(a_schemas, a_formats))
        FOR UPDATE OF e SKIP LOCKED
    ) AS rows;
    RETURN taken = (
        SELECT count(*) FROM {schema}.entry e
        WHERE e.place = a_place AND (e.schema, e.format) IN (SELECT * FROM unnest(a_schemas, a_formats))
    );
END
$$;

-- Stores an entry, under the lock of the place. A lifetime of 0 leaves none. False: a stranger has the row, and nothing
-- was changed.
CREATE OR REPLACE FUNCTION {schema}.put(
    a_place bytea, a_schema bigint, a_format smallint, a_value bytea, a_version bigint, a_is_marked boolean,
    a_lifetime bigint, a_now timestamptz
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    is_there boolean;
BEGIN
    PERFORM FROM {schema}.entry e WHERE e.place = a_place AND e.schema = a_schema AND e.format = a_format
    FOR UPDATE SKIP LOCKED;
    is_there := FOUND;
    IF NOT is_there THEN
        PERFORM FROM {schema}.entry e WHERE e.place = a_place AND e.schema = a_schema AND e.format = a_format;
        IF FOUND THEN
            RETURN false;
        END IF;
    END IF;
    IF a_lifetime = 0 THEN
        DELETE FROM {schema}.entry e WHERE e.place = a_place AND e.schema = a_schema AND e.format = a_format;
    ELSIF is_there THEN
        UPDATE {schema}.entry e SET value = a_value, version = a_version, is_marked = a_is_marked,
            expires = {schema}.after(a_now, a_lifetime)
        WHERE e.place = a_place AND e.schema = a_schema AND e.format = a_format;
    ELSE
        INSERT INTO {schema}.entry (place, schema, format, value, version, is_marked, expires)
        VALUES (a_place, a_schema, a_format, a_value, a_version, a_is_marked, {schema}.after(a_now, a_lifetime))
        ON CONFLICT DO NOTHING;
        RETURN FOUND;
    END IF;
    RETURN true;
END
$$;

-- Voids the grant of a place, and clears its pause; its row was taken. A tombstone stays as it is. Returns whether there
-- was a grant.
CREATE OR REPLACE FUNCTION {schema}.void(a_place bytea, a_life bigint, a_tombstone bigint, a_now timestamptz)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    p {schema}.place;
    is_held boolean;
BEGIN
    SELECT * INTO p FROM {schema}.place WHERE place = a_place;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    is_held := {schema}.is_grant(p, a_life, a_now);
    IF is_held AND p.is_void THEN
        RETURN false;
    END IF;
    IF is_held AND a_tombstone IS DISTINCT FROM 0 THEN
        UPDATE {schema}.place SET is_void = true, number = a_tombstone, until = {schema}.after(a_now, a_tombstone),
            failures = NULL, pause_ends = NULL, pause_until = NULL
        WHERE place = a_place;
    ELSE
        DELETE FROM {schema}.place WHERE place = a_place;
    END IF;
    RETURN is_held;
END
$$;
