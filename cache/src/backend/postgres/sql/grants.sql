-- The operations of those who claim and hold. None of them waits for a lock.

-- a_seen: the version that was seen, null for none; it counts if a_as_seen. The grant of a_dead_token and a_dead_beat is
-- passed over, or any if a_anyone. The answer: granted, held, paused, changed, locked.
CREATE OR REPLACE FUNCTION {schema}.claim(
    a_place bytea, a_schema bigint, a_format smallint, a_lock bigint, a_life bigint, a_token bigint, a_lease bigint,
    a_as_seen boolean, a_seen bigint, a_anyone boolean, a_dead_token bigint, a_dead_beat bigint, a_through boolean,
    OUT r_answer text, OUT r_now timestamptz, OUT r_token bigint, OUT r_number bigint, OUT r_beat bigint,
    OUT r_until timestamptz, OUT r_is_void boolean, OUT r_failures bigint, OUT r_value bytea, OUT r_version bigint,
    OUT r_is_marked boolean
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    p {schema}.place;
    is_locked boolean := false;
    is_there boolean;
    is_held boolean;
BEGIN
    PERFORM {schema}.check();
    -- What would be answered by the row as it is goes without a lock, and without a number of a transaction: those who
    -- wait for a holder ask again and again.
    SELECT * INTO p FROM {schema}.place WHERE place = a_place;
    r_now := clock_timestamp();
    is_held := {schema}.is_grant(p, a_life, r_now);
    IF NOT is_held OR p.token IS NOT DISTINCT FROM a_token OR a_anyone
        OR NOT p.is_void AND p.token IS NOT DISTINCT FROM a_dead_token AND p.beat IS NOT DISTINCT FROM a_dead_beat
    THEN
        is_locked := NOT pg_try_advisory_xact_lock(a_lock);
        is_there := false;
        IF NOT is_locked THEN
            SELECT * INTO p FROM {schema}.place WHERE place = a_place FOR UPDATE SKIP LOCKED;
            is_there := FOUND;
        END IF;
        IF NOT is_there THEN
            SELECT * INTO p FROM {schema}.place WHERE place = a_place;
            is_locked := is_locked OR FOUND;
        END IF;
        r_now := clock_timestamp();
        is_held := {schema}.is_grant(p, a_life, r_now);
    END IF;
    r_failures := CASE WHEN p.pause_until > r_now THEN coalesce(p.failures, 0) ELSE 0 END;

    IF is_held AND p.token = a_token AND NOT p.is_void THEN
        IF is_locked THEN
            r_answer := 'locked';
            RETURN;
        END IF;
        UPDATE {schema}.place SET beat = {schema}.beat(nextval('{schema}.number'), a_life),
            until = {schema}.after(r_now, a_lease)
        WHERE place = a_place;
        r_answer := 'granted';
        r_number := p.number;
        RETURN;
    END IF;
    IF is_held AND NOT a_anyone
        AND (p.is_void OR p.token IS DISTINCT FROM a_dead_token OR p.beat IS DISTINCT FROM a_dead_beat)
    THEN
        r_answer := 'held';
        r_token := p.token;
        r_beat := p.beat;
        r_until := p.until;
        r_is_void := p.is_void;
        RETURN;
    END IF;
    IF is_locked THEN
        r_answer := 'locked';
        RETURN;
    END IF;
    IF p.pause_ends > r_now AND NOT a_through THEN
        r_answer := 'paused';
        r_until := p.pause_ends;
        RETURN;
    END IF;

    SELECT e.version, e.is_marked INTO r_version, r_is_marked FROM {schema}.entry e
    WHERE e.place = a_place AND e.schema = a_schema AND e.format = a_format AND e.expires > r_now
        AND octet_length(e.value) <= {largest}
    FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        PERFORM FROM {schema}.entry e
        WHERE e.place = a_place AND e.schema = a_schema AND e.format = a_format AND e.expires > r_now
            AND octet_length(e.value) <= {largest};
        IF FOUND THEN
            r_answer := 'locked';
            RETURN;
        END IF;
    END IF;
    IF a_as_seen AND r_version IS DISTINCT FROM a_seen THEN
        r_answer := 'changed';
        SELECT e.value INTO r_value FROM {schema}.entry e
        WHERE e.place = a_place AND e.schema = a_schema AND e.format = a_format AND e.version = r_version;
        RETURN;
    END IF;

    r_answer := 'granted';
    r_number := nextval('{schema}.number');
    INSERT INTO {schema}.place AS old (place, life, token, number, beat, is_void, is_marked, until)
    VALUES (
        a_place, a_life, a_token, r_number, {schema}.beat(r_number, a_life), false, false,
        {schema}.after(r_now, a_lease)
    )
    ON CONFLICT (place) DO UPDATE SET life = excluded.life, token = excluded.token, number = excluded.number,
        beat = excluded.beat, is_void = false, is_marked = false, until = excluded.until;
END
$$;

CREATE OR REPLACE FUNCTION {schema}.renew(
    a_place bytea, a_lock bigint, a_life bigint, a_token bigint, a_number bigint, a_lease bigint
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    o record;
BEGIN
    SELECT * INTO o FROM {schema}.own(a_place, a_lock, a_life, a_token, a_number);
    IF o.r_why = 'own' THEN
        UPDATE {schema}.place
        SET beat = {schema}.beat(nextval('{schema}.number'), a_life), until = {schema}.after(o.r_now, a_lease)
        WHERE place = a_place;
    END IF;
    RETURN o.r_why;
END
$$;

-- The answer: fresh, stale, or why not.
CREATE OR REPLACE FUNCTION {schema}.publish(
    a_place bytea, a_schema bigint, a_format smallint, a_lock bigint, a_life bigint, a_token bigint, a_number bigint,
    a_value bytea, a_version bigint, a_lifetime bigint,
    OUT r_answer text, OUT r_is_awaited boolean
) LANGUAGE plpgsql AS $$
DECLARE
    o record;
BEGIN
    SELECT * INTO o FROM {schema}.own(a_place, a_lock, a_life, a_token, a_number);
    r_answer := o.r_why;
    r_is_awaited := false;
    IF r_answer = 'own' THEN
        IF NOT {schema}.put(a_place, a_schema, a_format, a_value, a_version, o.r_is_marked, a_lifetime, o.r_now) THEN
            r_answer := 'locked';
            RETURN;
        END IF;
        r_answer := CASE WHEN o.r_is_marked THEN 'stale' ELSE 'fresh' END;
    ELSIF r_answer <> 'voided' OR NOT o.r_is_taken THEN
        RETURN;
    END IF;
    DELETE FROM {schema}.place WHERE place = a_place;
    r_is_awaited := {schema}.is_awaited(a_lock);
END
$$;

-- Without a_failures, and for no time, there is no pause: an earlier one stays. The answer: own, or why not.
CREATE OR REPLACE FUNCTION {schema}.end(
    a_place bytea, a_lock bigint, a_life bigint, a_token bigint, a_number bigint, a_failures bigint, a_pause bigint,
    OUT r_answer text, OUT r_is_awaited boolean
) LANGUAGE plpgsql AS $$
DECLARE
    o record;
BEGIN
    SELECT * INTO o FROM {schema}.own(a_place, a_lock, a_life, a_token, a_number);
    r_answer := o.r_why;
    r_is_awaited := false;
    IF r_answer NOT IN ('own', 'voided') OR NOT o.r_is_taken THEN
        RETURN;
    ELSIF r_answer = 'own' AND a_failures IS NOT NULL AND a_pause IS DISTINCT FROM 0 THEN
        UPDATE {schema}.place SET token = NULL, failures = a_failures, pause_ends = {schema}.after(o.r_now, a_pause),
            pause_until = {schema}.after(o.r_now, 2 * a_pause)
        WHERE place = a_place;
    ELSIF r_answer = 'own' AND o.r_is_paused THEN
        UPDATE {schema}.place SET token = NULL WHERE place = a_place;
    ELSE
        DELETE FROM {schema}.place WHERE place = a_place;
    END IF;
    r_is_awaited := {schema}.is_awaited(a_lock);
END
$$;
