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

-- Takes the lock of a place and its row, for the holder of a grant. Waits for nothing. The answer: own, locked, gone,
-- overtaken, voided. A number that is null is any.
CREATE OR REPLACE FUNCTION {schema}.own(
    a_place bytea, a_lock bigint, a_life bigint, a_token bigint, a_number bigint,
    OUT r_why text, OUT r_now timestamptz, OUT r_is_marked boolean, OUT r_is_paused boolean
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    p {schema}.place;
BEGIN
    IF NOT pg_try_advisory_xact_lock(a_lock) THEN
        r_why := 'locked';
        RETURN;
    END IF;
    SELECT * INTO p FROM {schema}.place WHERE place = a_place FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        PERFORM FROM {schema}.place WHERE place = a_place;
        r_why := CASE WHEN FOUND THEN 'locked' ELSE 'gone' END;
        RETURN;
    END IF;
    r_now := clock_timestamp();
    r_is_marked := p.is_marked;
    r_is_paused := coalesce(p.pause_until > r_now, false);
    r_why := CASE
        WHEN p.token IS NULL OR p.life <> a_life OR p.until <= r_now THEN 'gone'
        WHEN p.token <> a_token THEN 'overtaken'
        WHEN p.is_void THEN 'voided'
        WHEN p.number <> a_number THEN 'gone'
        ELSE 'own'
    END;
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
    is_held := coalesce(p.token IS NOT NULL AND p.life = a_life AND p.until > a_now, false);
    IF is_held AND p.is_void THEN
        RETURN false;
    END IF;
    IF is_held AND a_tombstone IS DISTINCT FROM 0 THEN
        UPDATE {schema}.place SET is_void = true, until = {schema}.after(a_now, a_tombstone),
            failures = NULL, pause_ends = NULL, pause_until = NULL
        WHERE place = a_place;
    ELSE
        DELETE FROM {schema}.place WHERE place = a_place;
    END IF;
    RETURN is_held;
END
$$;
