-- The changes from outside of any creation. Each takes the lock of the place first, and waits for it if a_waits, as a
-- user's transaction does, and holds nothing meanwhile. The answer: yes, refused (with what is there),
-- busy (another transaction has the lock), locked (it has a row).

-- a_tombstone: its lifetime; 0 leaves none, null is for ever.
CREATE OR REPLACE FUNCTION {schema}.set(
    a_place bytea, a_schema bigint, a_format smallint, a_lock bigint, a_life bigint, a_value bytea, a_version bigint,
    a_lifetime bigint, a_as_seen boolean, a_seen bigint, a_tombstone bigint, a_waits boolean DEFAULT true,
    OUT r_answer text, OUT r_is_awaited boolean, OUT r_was_there boolean, OUT r_voided boolean, OUT r_now timestamptz,
    OUT r_value bytea, OUT r_version bigint, OUT r_is_marked boolean
) LANGUAGE plpgsql AS $$
BEGIN
    IF NOT {schema}.enter(a_lock, a_waits) THEN
        r_answer := 'busy';
        RETURN;
    END IF;
    r_answer := 'locked';
    IF NOT {schema}.take_place(a_place) OR NOT {schema}.take_entries(a_place, ARRAY[a_schema], ARRAY[a_format]) THEN
        RETURN;
    END IF;
    r_now := clock_timestamp();
    SELECT e.version, e.is_marked INTO r_version, r_is_marked FROM {schema}.entry e
    WHERE e.place = a_place AND e.schema = a_schema AND e.format = a_format AND e.expires > r_now
        AND octet_length(e.value) <= {largest};
    r_was_there := FOUND;
    IF a_as_seen AND r_version IS DISTINCT FROM a_seen THEN
        r_answer := 'refused';
        SELECT e.value INTO r_value FROM {schema}.entry e
        WHERE e.place = a_place AND e.schema = a_schema AND e.format = a_format AND e.version = r_version;
        RETURN;
    END IF;
    IF NOT {schema}.put(a_place, a_schema, a_format, a_value, a_version, false, a_lifetime, r_now) THEN
        RETURN;
    END IF;
    r_answer := 'yes';
    r_voided := {schema}.void(a_place, a_life, a_tombstone, r_now);
    r_is_awaited := {schema}.is_awaited(a_lock);
END
$$;

CREATE OR REPLACE FUNCTION {schema}.touch(
    a_place bytea, a_schema bigint, a_format smallint, a_lock bigint, a_value bytea, a_version bigint,
    a_lifetime bigint, a_seen bigint, a_waits boolean DEFAULT true,
    OUT r_answer text, OUT r_is_awaited boolean, OUT r_was_there boolean, OUT r_voided boolean, OUT r_now timestamptz,
    OUT r_value bytea, OUT r_version bigint, OUT r_is_marked boolean
) LANGUAGE plpgsql AS $$
BEGIN
    IF NOT {schema}.enter(a_lock, a_waits) THEN
        r_answer := 'busy';
        RETURN;
    END IF;
    r_answer := 'locked';
    IF NOT {schema}.take_entries(a_place, ARRAY[a_schema], ARRAY[a_format]) THEN
        RETURN;
    END IF;
    r_now := clock_timestamp();
    SELECT e.version, e.is_marked INTO r_version, r_is_marked FROM {schema}.entry e
    WHERE e.place = a_place AND e.schema = a_schema AND e.format = a_format AND e.expires > r_now
        AND octet_length(e.value) <= {largest};
    r_was_there := FOUND;
    IF NOT r_was_there OR r_version IS DISTINCT FROM a_seen THEN
        r_answer := 'refused';
        SELECT e.value INTO r_value FROM {schema}.entry e
        WHERE e.place = a_place AND e.schema = a_schema AND e.format = a_format AND e.version = r_version;
        RETURN;
    END IF;
    IF NOT {schema}.put(a_place, a_schema, a_format, a_value, a_version, r_is_marked, a_lifetime, r_now) THEN
        RETURN;
    END IF;
    r_answer := 'yes';
    r_voided := false;
    r_is_awaited := {schema}.is_awaited(a_lock);
END
$$;

-- The first shape is that of the caller's key.
CREATE OR REPLACE FUNCTION {schema}.mark(
    a_place bytea, a_schemas bigint[], a_formats smallint[], a_lock bigint, a_life bigint, a_version bigint,
    a_waits boolean DEFAULT true,
    OUT r_answer text, OUT r_is_awaited boolean, OUT r_was_there boolean, OUT r_voided boolean
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    now timestamptz;
BEGIN
    IF NOT {schema}.enter(a_lock, a_waits) THEN
        r_answer := 'busy';
        RETURN;
    END IF;
    r_answer := 'locked';
    IF NOT {schema}.take_place(a_place) OR NOT {schema}.take_entries(a_place, a_schemas, a_formats) THEN
        RETURN;
    END IF;
    now := clock_timestamp();
    r_was_there := EXISTS (
        SELECT FROM {schema}.entry e
        WHERE e.place = a_place AND e.schema = a_schemas[1] AND e.format = a_formats[1] AND e.expires > now
    );
    -- What is over is marked as well: a clock that is set back may bring it back.
    UPDATE {schema}.entry e SET is_marked = true, version = a_version
    WHERE e.place = a_place AND (e.schema, e.format) IN (SELECT * FROM unnest(a_schemas, a_formats));
    UPDATE {schema}.place SET is_marked = true WHERE place = a_place AND token IS NOT NULL;
    r_answer := 'yes';
    r_voided := false;
    r_is_awaited := {schema}.is_awaited(a_lock);
END
$$;

CREATE OR REPLACE FUNCTION {schema}.invalidate(
    a_place bytea, a_schemas bigint[], a_formats smallint[], a_lock bigint, a_life bigint, a_tombstone bigint,
    a_waits boolean DEFAULT true,
    OUT r_answer text, OUT r_is_awaited boolean, OUT r_was_there boolean, OUT r_voided boolean
) LANGUAGE plpgsql AS $$
DECLARE
    now timestamptz;
BEGIN
    IF NOT {schema}.enter(a_lock, a_waits) THEN
        r_answer := 'busy';
        RETURN;
    END IF;
    r_answer := 'locked';
    IF NOT {schema}.take_place(a_place) OR NOT {schema}.take_entries(a_place, a_schemas, a_formats) THEN
        RETURN;
    END IF;
    now := clock_timestamp();
    r_was_there := EXISTS (
        SELECT FROM {schema}.entry e
        WHERE e.place = a_place AND e.schema = a_schemas[1] AND e.format = a_formats[1] AND e.expires > now
    );
    DELETE FROM {schema}.entry e
    WHERE e.place = a_place AND (e.schema, e.format) IN (SELECT * FROM unnest(a_schemas, a_formats));
    r_answer := 'yes';
    r_voided := {schema}.void(a_place, a_life, a_tombstone, now);
    r_is_awaited := {schema}.is_awaited(a_lock);
END
$$;
