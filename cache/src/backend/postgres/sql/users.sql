-- What users call, by the names of the arguments: see the guide's page on PostgreSQL. Each function waits for what
-- other transactions have locked of its places, and is done, and seen by others, when the transaction commits. Nobody
-- who waits is signalled. The functions have a search path of their own, and with them all that they call: a session's
-- own may lead to a stranger's.

-- An interval in milliseconds, rounded up; null, or longer than a hundred years, is for ever.
CREATE OR REPLACE FUNCTION {schema}.millis(a_time interval) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    millis numeric := ceil(extract(epoch FROM a_time) * 1000);
BEGIN
    IF millis < 0 THEN
        RAISE 'a time is not negative' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN CASE WHEN millis <= 3153600000000 THEN millis END;
END
$$;

-- Takes the lock of a place and its rows, in this order, and waits for them. Returns the lock, and the life of the
-- grant that is there: a session of the user's is of no life, and voids what it finds.
CREATE OR REPLACE FUNCTION {schema}.take(a_place bytea, OUT r_lock bigint, OUT r_life bigint) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM {schema}.check();
    r_lock := {schema}.lock(a_place);
    PERFORM pg_advisory_xact_lock(r_lock);
    SELECT p.life INTO r_life FROM {schema}.place p WHERE p.place = a_place FOR UPDATE;
    PERFORM FROM {schema}.entry e WHERE e.place = a_place ORDER BY e.schema, e.format FOR UPDATE;
END
$$;

-- Raises what cannot be, once a place is taken: a row that was inserted by hand, without the lock of the place.
CREATE OR REPLACE FUNCTION {schema}.done(a_answer text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF a_answer NOT IN ('yes', 'refused') THEN
        RAISE 'another transaction has the place' USING ERRCODE = 'lock_not_available';
    END IF;
    RETURN a_answer = 'yes';
END
$$;

-- Stores an envelope. Returns whether it was stored.
CREATE OR REPLACE FUNCTION {schema}.store(
    a_place bytea, a_schema bigint, a_format integer, a_envelope bytea, a_lifetime bigint, a_as_seen boolean,
    a_seen bigint, a_void_pause interval
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    t record;
BEGIN
    t := {schema}.take(a_place);
    RETURN {schema}.done((
        SELECT s.r_answer FROM {schema}.set(
            a_place, a_schema, a_format::smallint, t.r_lock, t.r_life, a_envelope, {schema}.version(), a_lifetime,
            a_as_seen, a_seen, {schema}.millis(a_void_pause)
        ) AS s
    ));
END
$$;

-- The text of a place: the name of a region, or of counters, and a key of one item or more.
CREATE OR REPLACE FUNCTION {schema}.place(region text, VARIADIC key text[]) RETURNS text LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT $1 || ':' || string_agg({schema}.item(k), ',' ORDER BY n) FROM unnest($2) WITH ORDINALITY AS t (k, n));
END
$$;

-- A value in MessagePack, for set_bytes.
CREATE OR REPLACE FUNCTION {schema}.message_pack(value jsonb) RETURNS bytea LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN {schema}.packed($1);
END
$$;

-- Stores what a codec has made of a value (format 1: the bytes themselves), whatever is there.
CREATE OR REPLACE FUNCTION {schema}.set_bytes(
    place text, value bytea, lifetime interval, max_stale interval DEFAULT '0', schema bigint DEFAULT 0,
    format integer DEFAULT 1, void_pause interval DEFAULT '100 ms'
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    fresh bigint := {schema}.millis($3);
    stale bigint := {schema}.millis($4);
    a_place bytea := {schema}.stored($1);
BEGIN
    IF $2 IS NULL THEN
        RAISE 'a value is not null' USING ERRCODE = 'null_value_not_allowed';
    ELSIF octet_length($2) + octet_length($1) + 100 > {largest} THEN
        RAISE 'the entry is larger than {largest} bytes' USING ERRCODE = 'program_limit_exceeded';
    END IF;
    -- Created when the place is taken, not before.
    PERFORM {schema}.take(a_place);
    PERFORM {schema}.store(
        a_place, $5, $6, {schema}.envelope($1, $5, $6, $2, fresh, stale, clock_timestamp()), fresh + stale, false,
        NULL, $7
    );
END
$$;

-- The same where no fresh value is. Returns whether it was stored.
CREATE OR REPLACE FUNCTION {schema}.add_bytes(
    place text, value bytea, lifetime interval, max_stale interval DEFAULT '0', schema bigint DEFAULT 0,
    format integer DEFAULT 1, void_pause interval DEFAULT '100 ms'
) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM {schema}.take({schema}.stored($1));
    IF {schema}.is_fresh($1, $5, $6) THEN
        RETURN false;
    END IF;
    PERFORM {schema}.set_bytes($1, $2, $3, $4, $5, $6, $7);
    RETURN true;
END
$$;

-- Whether a place, which was taken, has a value that is fresh.
CREATE OR REPLACE FUNCTION {schema}.is_fresh(a_whole text, a_schema bigint, a_format integer) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    a_place bytea := {schema}.stored(a_whole);
    whole bytea := convert_to(a_whole, 'UTF8');
    bytes bytea;
    fresh_until bigint;
    ends integer;
BEGIN
    SELECT e.value INTO bytes FROM {schema}.entry e
    WHERE e.place = a_place AND e.schema = a_schema AND e.format = a_format AND NOT e.is_marked
        AND e.expires > clock_timestamp() AND octet_length(e.value) <= {largest};
    IF NOT FOUND OR NOT {schema}.is_envelope(bytes) OR get_byte(bytes, 4) & 2 <> 0 THEN
        RETURN false;
    END IF;
    ends := {schema}.of_le(bytes, 6, 2);
    IF octet_length(whole) > {room} AND substr(bytes, ends + 1, octet_length(whole)) <> whole THEN
        RETURN false;
    END IF;
    fresh_until := {schema}.of_le(bytes, 16, 8);
    RETURN (fresh_until < 0 OR fresh_until > {schema}.moment(clock_timestamp()))
        AND {schema}.part(bytes, 4) IS NOT DISTINCT FROM {schema}.le({schema}.server_life(), 8);
END
$$;

-- Stores a value of JSON, whatever is there: as MessagePack (format 2) or as JSON (format 3).
CREATE OR REPLACE FUNCTION {schema}.set(
    place text, value jsonb, lifetime interval, max_stale interval DEFAULT '0', schema bigint DEFAULT 0,
    format integer DEFAULT 2, void_pause interval DEFAULT '100 ms'
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM {schema}.set_bytes($1, {schema}.encoded($2, $6), $3, $4, $5, $6, $7);
END
$$;

-- The same where no fresh value is. Returns whether it was stored.
CREATE OR REPLACE FUNCTION {schema}.add(
    place text, value jsonb, lifetime interval, max_stale interval DEFAULT '0', schema bigint DEFAULT 0,
    format integer DEFAULT 2, void_pause interval DEFAULT '100 ms'
) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN {schema}.add_bytes($1, {schema}.encoded($2, $6), $3, $4, $5, $6, $7);
END
$$;

-- What the codec of a format makes of a value.
CREATE OR REPLACE FUNCTION {schema}.encoded(a_value jsonb, a_format integer) RETURNS bytea LANGUAGE plpgsql AS $$
BEGIN
    IF a_format = 2 THEN
        RETURN {schema}.packed(a_value);
    ELSIF a_format = 3 THEN
        RETURN convert_to(a_value::text, 'UTF8');
    END IF;
    RAISE 'the format of a value of JSON is 2 or 3' USING ERRCODE = 'invalid_parameter_value';
END
$$;

-- Begins the lifetime of a value anew. Returns whether there was one; one that was marked stale stays marked.
CREATE OR REPLACE FUNCTION {schema}.touch(
    place text, lifetime interval, max_stale interval DEFAULT '0', schema bigint DEFAULT 0, format integer DEFAULT 2
) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    fresh bigint := {schema}.millis($2);
    stale bigint := {schema}.millis($3);
    a_place bytea := {schema}.stored($1);
    t record;
    e record;
    bytes bytea;
BEGIN
    t := {schema}.take(a_place);
    SELECT o.value, o.version INTO e FROM {schema}.entry o
    WHERE o.place = a_place AND o.schema = $4 AND o.format = $5 AND o.expires > clock_timestamp()
        AND octet_length(o.value) <= {largest};
    bytes := {schema}.touched(e.value, fresh, stale, clock_timestamp());
    IF bytes IS NULL THEN
        RETURN false;
    END IF;
    RETURN {schema}.touch_envelope($1, bytes, $4, $5, fresh + stale, e.version);
END
$$;

-- Marks the values of a place stale, whatever their schema and format, and what a creation under way publishes. Returns
-- whether there was one.
CREATE OR REPLACE FUNCTION {schema}.mark_stale(place text) RETURNS boolean LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    a_place bytea := {schema}.stored($1);
    t record;
    was_there boolean;
    schemas bigint[];
    formats smallint[];
BEGIN
    t := {schema}.take(a_place);
    SELECT coalesce(bool_or(e.expires > clock_timestamp()), false), array_agg(e.schema), array_agg(e.format)
    INTO was_there, schemas, formats FROM {schema}.entry e WHERE e.place = a_place;
    PERFORM {schema}.done((
        SELECT m.r_answer FROM {schema}.mark(a_place, schemas, formats, t.r_lock, t.r_life, {schema}.version()) AS m
    ));
    RETURN was_there;
END
$$;

-- Deletes the values of a place, whatever their schema and format, and voids a creation that is under way. Returns
-- whether there was a value.
CREATE OR REPLACE FUNCTION {schema}.invalidate(place text, void_pause interval DEFAULT '100 ms') RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    a_place bytea := {schema}.stored($1);
    t record;
    was_there boolean;
    schemas bigint[];
    formats smallint[];
BEGIN
    t := {schema}.take(a_place);
    SELECT coalesce(bool_or(e.expires > clock_timestamp()), false), array_agg(e.schema), array_agg(e.format)
    INTO was_there, schemas, formats FROM {schema}.entry e WHERE e.place = a_place;
    PERFORM {schema}.done((
        SELECT i.r_answer
        FROM {schema}.invalidate(a_place, schemas, formats, t.r_lock, t.r_life, {schema}.millis($2)) AS i
    ));
    RETURN was_there;
END
$$;

-- The same of many places, in an order that is the same for all: two such calls do not deadlock. Return how many had a
-- value.
CREATE OR REPLACE FUNCTION {schema}.in_order(a_places text[]) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT p FROM (SELECT DISTINCT unnest(a_places)) AS t (p)
    ORDER BY {schema}.lock({schema}.stored(p)), {schema}.stored(p)
$$;

CREATE OR REPLACE FUNCTION {schema}.mark_stale(places text[]) RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    place text;
    were_there bigint := 0;
BEGIN
    FOR place IN SELECT {schema}.in_order($1) LOOP
        were_there := were_there + {schema}.mark_stale(place)::integer;
    END LOOP;
    RETURN were_there;
END
$$;

CREATE OR REPLACE FUNCTION {schema}.invalidate(places text[], void_pause interval DEFAULT '100 ms') RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    place text;
    were_there bigint := 0;
BEGIN
    FOR place IN SELECT {schema}.in_order($1) LOOP
        were_there := were_there + {schema}.invalidate(place, $2)::integer;
    END LOOP;
    RETURN were_there;
END
$$;

-- Moves a counter. What would be above the ceiling leaves it as it was.
CREATE OR REPLACE FUNCTION {schema}.move(
    counter text, delta bigint, ceiling bigint, lifetime interval, OUT value bigint, OUT is_too_large boolean
) LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    SELECT c.* INTO value, is_too_large FROM {schema}.count({schema}.stored($1), $2, $3, {schema}.millis($4)) AS c;
END
$$;

-- Adds to a counter. The lifetime is that of a counter that this creates. Returns the new value, or null if it would be
-- above the ceiling: then the counter is as it was.
CREATE OR REPLACE FUNCTION {schema}.increment(
    counter text, delta bigint, lifetime interval, ceiling bigint DEFAULT 9223372036854775807
) RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF $2 IS NULL OR $2 < 0 OR $4 IS NULL THEN
        RAISE 'an increment adds' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN (SELECT CASE WHEN NOT m.is_too_large THEN m.value END FROM {schema}.move($1, $2, $4, $3) AS m);
END
$$;

-- Subtracts from a counter. Returns the new value, which is 0 at least.
CREATE OR REPLACE FUNCTION {schema}.decrement(counter text, delta bigint) RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF $2 IS NULL OR $2 < 0 THEN
        RAISE 'a decrement subtracts' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN (SELECT m.value FROM {schema}.move($1, -$2, 9223372036854775807, NULL) AS m);
END
$$;

-- Returns the value of a counter; 0 if it is missing.
CREATE OR REPLACE FUNCTION {schema}.counter(counter text) RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN coalesce((
        SELECT c.value FROM {schema}.counter c WHERE c.place = {schema}.stored($1) AND c.expires > clock_timestamp()
    ), 0);
END
$$;

-- Deletes a counter. Returns whether there was one.
CREATE OR REPLACE FUNCTION {schema}.reset(counter text) RETURNS boolean LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM {schema}.counter c WHERE c.place = {schema}.stored($1);
    RETURN FOUND;
END
$$;

-- What `Region::set_in`, `add_in` and `touch_in` call: with envelopes that the region has made.
CREATE OR REPLACE FUNCTION {schema}.set_envelope(
    place text, envelope bytea, schema bigint, format integer, lifetime bigint, as_seen boolean, seen bigint,
    void_pause interval
) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN {schema}.store({schema}.stored($1), $3, $4, $2, $5, $6, $7, $8);
END
$$;

CREATE OR REPLACE FUNCTION {schema}.touch_envelope(
    place text, envelope bytea, schema bigint, format integer, lifetime bigint, seen bigint
) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    a_place bytea := {schema}.stored($1);
    t record;
BEGIN
    t := {schema}.take(a_place);
    RETURN {schema}.done((
        SELECT x.r_answer FROM {schema}.touch(
            a_place, $3, $4::smallint, t.r_lock, $2, {schema}.version(), $5, $6
        ) AS x
    ));
END
$$;

-- What is there of a shape, as a look shows it.
CREATE OR REPLACE FUNCTION {schema}.look_envelope(
    place text, schema bigint, format integer,
    OUT r_value bytea, OUT r_version bigint, OUT r_is_marked boolean, OUT r_now timestamptz, OUT r_is_over boolean
) LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    r_now := clock_timestamp();
    SELECT CASE WHEN e.expires > r_now AND octet_length(e.value) <= {largest} THEN e.value END, e.version, e.is_marked,
        e.expires <= r_now
    INTO r_value, r_version, r_is_marked, r_is_over FROM {schema}.entry e
    WHERE e.place = {schema}.stored($1) AND e.schema = $2 AND e.format = $3;
    r_is_over := coalesce(r_is_over, false);
END
$$;
