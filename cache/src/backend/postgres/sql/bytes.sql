-- Keys and envelopes as the crate writes them, for what a user's transaction stores (see the modules `key` and
-- `envelope`). No backslash: what one means is the session's own setting.

-- The stored form of a place: hashed if it is longer than {room} bytes.
CREATE OR REPLACE FUNCTION {schema}.stored(a_whole text) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
    bytes bytea := convert_to(a_whole, 'UTF8');
    prefix integer := {room} - 66;
    escape integer;
BEGIN
    IF bytes IS NULL THEN
        RAISE 'a place is a text' USING ERRCODE = 'null_value_not_allowed';
    ELSIF octet_length(bytes) <= {room} THEN
        RETURN bytes;
    END IF;
    -- Neither half a character nor half an escape.
    WHILE get_byte(bytes, prefix) & 192 = 128 LOOP
        prefix := prefix - 1;
    END LOOP;
    FOR back IN 1..2 LOOP
        IF get_byte(bytes, prefix - back) = 37 THEN
            escape := prefix - back;
            EXIT;
        END IF;
    END LOOP;
    RETURN substr(bytes, 1, coalesce(escape, prefix)) || convert_to('%#' || encode(sha256(bytes), 'hex'), 'UTF8');
END
$$;

-- The lock of a place.
CREATE OR REPLACE FUNCTION {schema}.lock(a_place bytea) RETURNS bigint LANGUAGE sql AS $$
    SELECT (
        'x' || left(encode(sha256(convert_to({name}, 'UTF8') || decode('00', 'hex') || a_place), 'hex'), 16)
    )::bit(64)::bigint
$$;

-- One item of a key. The list of what is escaped is that of `key/writer.rs`.
CREATE OR REPLACE FUNCTION {schema}.item(a_text text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF a_text IS NULL THEN
        RAISE 'a key has no item that is null' USING ERRCODE = 'null_value_not_allowed';
    ELSIF a_text = '' THEN
        RETURN '%-';
    END IF;
    RETURN (
        SELECT string_agg(
            CASE
                WHEN a IN (37, 40, 41, 44, 123, 125, 173, 1564, 5760, 6158, 12288, 65279) OR a BETWEEN 0 AND 32
                    OR a BETWEEN 127 AND 160 OR a BETWEEN 8192 AND 8207 OR a BETWEEN 8232 AND 8239
                    OR a BETWEEN 8287 AND 8303
                THEN regexp_replace(upper(encode(convert_to(c, 'UTF8'), 'hex')), '(..)', E'%\\1', 'g')
                ELSE c
            END, '' ORDER BY n)
        FROM string_to_table(a_text, NULL) WITH ORDINALITY AS t (c, n), ascii(c) AS a
    );
END
$$;

-- A number in little-endian bytes, and back.
CREATE OR REPLACE FUNCTION {schema}.le(a_number bigint, a_bytes integer) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
    bytes bytea := decode(repeat('00', a_bytes), 'hex');
BEGIN
    FOR i IN 0..a_bytes - 1 LOOP
        bytes := set_byte(bytes, i, ((a_number >> 8 * i) & 255)::integer);
    END LOOP;
    RETURN bytes;
END
$$;

CREATE OR REPLACE FUNCTION {schema}.of_le(a_from bytea, a_at integer, a_bytes integer) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    number bigint := 0;
BEGIN
    FOR i IN 0..a_bytes - 1 LOOP
        number := number | (get_byte(a_from, a_at + i)::bigint << 8 * i);
    END LOOP;
    RETURN number;
END
$$;

-- The checksum of an envelope: crc32 (IEEE) of all its bytes but those at 36 to 39. (Half a byte at a time.)
CREATE OR REPLACE FUNCTION {schema}.checksum(a_envelope bytea) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    halves CONSTANT bigint[] := ARRAY[
        0, 498536548, 997073096, 651767980, 1994146192, 1802195444, 1303535960, 1342533948,
        3988292384, 4027552580, 3604390888, 3412177804, 2607071920, 2262029012, 2685067896, 3183342108
    ];
    bytes bytea := substr(a_envelope, 1, 36) || substr(a_envelope, 41);
    crc bigint := 4294967295;
BEGIN
    FOR i IN 0..octet_length(bytes) - 1 LOOP
        crc := crc # get_byte(bytes, i);
        crc := (crc >> 4) # halves[(crc & 15) + 1];
        crc := (crc >> 4) # halves[(crc & 15) + 1];
    END LOOP;
    RETURN crc # 4294967295;
END
$$;

-- The content of a part of an envelope, null if it has none.
CREATE OR REPLACE FUNCTION {schema}.part(a_envelope bytea, a_number integer) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
    at integer := 40;
    ends integer := {schema}.of_le(a_envelope, 6, 2);
    long integer;
BEGIN
    WHILE at < ends LOOP
        long := {schema}.of_le(a_envelope, at + 1, 2);
        IF get_byte(a_envelope, at) = a_number THEN
            RETURN substr(a_envelope, at + 4, long);
        END IF;
        at := at + 3 + long;
    END LOOP;
    RETURN NULL;
END
$$;

-- A moment as an envelope has it.
CREATE OR REPLACE FUNCTION {schema}.moment(a_time timestamptz) RETURNS bigint LANGUAGE sql AS $$
    SELECT floor(extract(epoch FROM a_time) * 1000)::bigint
$$;

-- An envelope around the bytes of a value. A lifetime that is null is for ever.
CREATE OR REPLACE FUNCTION {schema}.envelope(
    a_whole text, a_schema bigint, a_format integer, a_value bytea, a_lifetime bigint, a_max_stale bigint,
    a_now timestamptz
) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
    created bigint := {schema}.moment(a_now);
    whole bytea := convert_to(a_whole, 'UTF8');
    parts bytea := {schema}.le(3, 1) || {schema}.le(8, 2) || {schema}.le({schema}.version(), 8)
        || {schema}.le(4, 1) || {schema}.le(8, 2) || {schema}.le({schema}.server_life(), 8);
    bytes bytea;
BEGIN
    IF a_lifetime + a_max_stale IS NOT NULL THEN
        parts := parts || {schema}.le(5, 1) || {schema}.le(8, 2) || {schema}.le(a_lifetime + a_max_stale, 8);
    END IF;
    IF octet_length(whole) > {room} THEN
        parts := parts || {schema}.le(7, 1) || {schema}.le(4, 2) || {schema}.le(octet_length(whole), 4);
    ELSE
        whole := decode('', 'hex');
    END IF;
    bytes := decode('dc64700100', 'hex') || {schema}.le(a_format, 1) || {schema}.le(40 + octet_length(parts), 2)
        || {schema}.le(created, 8) || {schema}.le(coalesce(created + a_lifetime, -1), 8) || {schema}.le(0, 4)
        || {schema}.le(a_schema, 4) || {schema}.le(octet_length(a_value), 4) || {schema}.le(0, 4)
        || parts || whole || a_value;
    RETURN overlay(bytes PLACING {schema}.le({schema}.checksum(bytes), 4) FROM 37);
END
$$;

-- The same envelope, created now, with another lifetime; null if it is none.
CREATE OR REPLACE FUNCTION {schema}.touched(a_envelope bytea, a_lifetime bigint, a_max_stale bigint, a_now timestamptz)
RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
    created bigint := {schema}.moment(a_now);
    ends integer;
    at integer := 40;
    long integer;
    parts bytea := decode('', 'hex');
    ttl bytea := decode('', 'hex');
    bytes bytea;
BEGIN
    IF NOT {schema}.is_envelope(a_envelope) THEN
        RETURN NULL;
    END IF;
    IF a_lifetime + a_max_stale IS NOT NULL THEN
        ttl := {schema}.le(5, 1) || {schema}.le(8, 2) || {schema}.le(a_lifetime + a_max_stale, 8);
    END IF;
    ends := {schema}.of_le(a_envelope, 6, 2);
    -- The parts stand in the order of their numbers.
    WHILE at < ends LOOP
        long := 3 + {schema}.of_le(a_envelope, at + 1, 2);
        IF get_byte(a_envelope, at) > 5 THEN
            parts := parts || ttl;
            ttl := decode('', 'hex');
        END IF;
        IF get_byte(a_envelope, at) <> 5 THEN
            parts := parts || substr(a_envelope, at + 1, long);
        END IF;
        at := at + long;
    END LOOP;
    parts := parts || ttl;
    bytes := substr(a_envelope, 1, 6) || {schema}.le(40 + octet_length(parts), 2)
        || {schema}.le(created, 8) || {schema}.le(coalesce(created + a_lifetime, -1), 8)
        || substr(a_envelope, 25, 16) || parts || substr(a_envelope, ends + 1);
    RETURN overlay(bytes PLACING {schema}.le({schema}.checksum(bytes), 4) FROM 37);
END
$$;

-- Whether bytes are an envelope of this layout, whole, with a value or an absence.
CREATE OR REPLACE FUNCTION {schema}.is_envelope(a_bytes bytea) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    at integer := 40;
    ends integer;
BEGIN
    IF a_bytes IS NULL OR octet_length(a_bytes) < 40 OR substr(a_bytes, 1, 4) <> decode('dc647001', 'hex') THEN
        RETURN false;
    END IF;
    ends := {schema}.of_le(a_bytes, 6, 2);
    IF get_byte(a_bytes, 4) > 3 OR ends > octet_length(a_bytes)
        OR {schema}.of_le(a_bytes, 36, 4) <> {schema}.checksum(a_bytes)
    THEN
        RETURN false;
    END IF;
    WHILE at + 3 <= ends LOOP
        at := at + 3 + {schema}.of_le(a_bytes, at + 1, 2);
    END LOOP;
    RETURN at = ends;
END
$$;

-- A version that no entry has, or had; not 0.
CREATE OR REPLACE FUNCTION {schema}.version() RETURNS bigint LANGUAGE sql AS $$
    SELECT ('x' || left(replace(gen_random_uuid()::text, '-', ''), 16))::bit(64)::bigint & 9223372036854775807
$$;

-- The life of the server's data, as `what.rs` makes it; 0 before any process of ours has connected in this life.
CREATE OR REPLACE FUNCTION {schema}.server_life() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    RETURN coalesce((
        SELECT ('x' || left(encode(sha256(convert_to(concat_ws(':',
            (SELECT system_identifier FROM pg_control_system()),
            left(pg_walfile_name(pg_current_wal_insert_lsn()), 8),
            extract(epoch FROM pg_postmaster_start_time()),
            (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()),
            l.id, l.tableoid, l.xmin
        ), 'UTF8')), 'hex'), 16))::bit(64)::bigint
        FROM {schema}.life l
    ), 0);
END
$$;

-- The head of a text, a list or a map in MessagePack: a short length in the byte itself, or one of 8, 16 or 32 bits
-- behind its mark.
CREATE OR REPLACE FUNCTION {schema}.head(
    a_long bigint, a_short integer, a_most integer, a_8 integer, a_16 integer, a_32 integer
) RETURNS bytea LANGUAGE sql AS $$
    SELECT CASE
        WHEN a_long <= a_most THEN substr(int4send(a_short + a_long::integer), 4)
        WHEN a_long < 256 AND a_8 IS NOT NULL THEN substr(int4send(a_8), 4) || substr(int8send(a_long), 8)
        WHEN a_long < 65536 THEN substr(int4send(a_16), 4) || substr(int8send(a_long), 7)
        ELSE substr(int4send(a_32), 4) || substr(int8send(a_long), 5)
    END
$$;

-- A value in MessagePack, as the codec `MessagePack` reads it.
CREATE OR REPLACE FUNCTION {schema}.packed(a_value jsonb) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
    kind text := jsonb_typeof(a_value);
    bytes bytea;
    number numeric;
BEGIN
    IF kind = 'null' THEN
        RETURN decode('c0', 'hex');
    ELSIF kind = 'boolean' THEN
        RETURN decode(CASE WHEN a_value::boolean THEN 'c3' ELSE 'c2' END, 'hex');
    ELSIF kind = 'string' THEN
        bytes := convert_to(a_value #>> '{}', 'UTF8');
        RETURN {schema}.head(octet_length(bytes), 160, 31, 217, 218, 219) || bytes;
    ELSIF kind = 'array' THEN
        SELECT string_agg({schema}.packed(e.value), decode('', 'hex') ORDER BY e.ordinality) INTO bytes
        FROM jsonb_array_elements(a_value) WITH ORDINALITY AS e;
        RETURN {schema}.head(jsonb_array_length(a_value), 144, 15, NULL, 220, 221) || coalesce(bytes, decode('', 'hex'));
    ELSIF kind = 'object' THEN
        SELECT string_agg({schema}.packed(to_jsonb(e.key)) || {schema}.packed(e.value), decode('', 'hex')) INTO bytes
        FROM jsonb_each(a_value) AS e;
        RETURN {schema}.head((SELECT count(*) FROM jsonb_object_keys(a_value)), 128, 15, NULL, 222, 223)
            || coalesce(bytes, decode('', 'hex'));
    END IF;
    number := a_value::numeric;
    IF number <> trunc(number) OR number NOT BETWEEN -9223372036854775808 AND 18446744073709551615 THEN
        RETURN decode('cb', 'hex') || float8send(number::double precision);
    ELSIF number BETWEEN 0 AND 127 THEN
        RETURN substr(int4send(number::integer), 4);
    ELSIF number <= 9223372036854775807 THEN
        RETURN decode('d3', 'hex') || int8send(number::bigint);
    END IF;
    RETURN decode('cf', 'hex') || int8send((number - 18446744073709551616)::bigint);
END
$$;
