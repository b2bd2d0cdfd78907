-- The tables. In each file {schema} is the quoted name of the schema, and {unlogged} is UNLOGGED or nothing.
CREATE SCHEMA IF NOT EXISTS {schema};

-- What is there already is kept, with its owner. So it is no stranger's, else nothing is made.
DO $$
BEGIN
    IF {owners} THEN
        RAISE EXCEPTION 'the schema, or something in it, belongs to a stranger'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$$;

CREATE {unlogged} TABLE IF NOT EXISTS {schema}.entry (
    place bytea NOT NULL,
    schema bigint NOT NULL,
    format smallint NOT NULL,
    value bytea NOT NULL,
    version bigint NOT NULL,
    is_marked boolean NOT NULL,
    expires timestamptz NOT NULL,
    PRIMARY KEY (place, schema, format)
) WITH (fillfactor = 70);
-- Regions compress, where that is asked for. (Only where it is not so yet: the statement waits for each reader, and each
-- look for the statement.)
DO $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = '{schema}.entry'::pg_catalog.regclass AND a.attname = 'value' AND a.attstorage <> 'e'
    ) THEN
        ALTER TABLE {schema}.entry ALTER COLUMN value SET STORAGE EXTERNAL;
    END IF;
END
$$;

-- Without a token there is no grant, without pause_until no pause.
CREATE UNLOGGED TABLE IF NOT EXISTS {schema}.place (
    place bytea PRIMARY KEY,
    life bigint,
    token bigint,
    number bigint,
    beat bigint,
    is_void boolean,
    is_marked boolean,
    until timestamptz,
    failures bigint,
    pause_ends timestamptz,
    pause_until timestamptz
) WITH (fillfactor = 70);

CREATE TABLE IF NOT EXISTS {schema}.counter (
    place bytea PRIMARY KEY,
    value bigint NOT NULL CHECK (value >= 0),
    expires timestamptz NOT NULL
) WITH (fillfactor = 70);

CREATE UNLOGGED TABLE IF NOT EXISTS {schema}.waiter (
    lock bigint PRIMARY KEY,
    until timestamptz NOT NULL
) WITH (fillfactor = 70);

CREATE UNLOGGED TABLE IF NOT EXISTS {schema}.life (
    the_one boolean PRIMARY KEY DEFAULT true CHECK (the_one),
    id bigint NOT NULL
);

CREATE SEQUENCE IF NOT EXISTS {schema}.number;

-- The form of the tables and functions, which a build compares with its own.
CREATE OR REPLACE FUNCTION {schema}.layout() RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 2';

-- The life of the UNLOGGED tables: another one after each crash, by the random number, and after each restoring of a
-- copy, by the table or by the transaction that has written the row. Neither is in a copy by pg_dump. The functions
-- compare it: the session is of this life alone.
CREATE OR REPLACE FUNCTION {schema}.life(a_new bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM {schema}.life) THEN
        INSERT INTO {schema}.life (id) VALUES (a_new) ON CONFLICT DO NOTHING;
    END IF;
    RETURN (
        SELECT set_config('dogpile.life', concat_ws(':', l.id, l.tableoid, l.xmin), false) FROM {schema}.life l
    );
END
$$;
