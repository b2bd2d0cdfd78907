//! The statements.

use super::address::Schema;

/// The files of the tables and functions, in their order.
const FILES: [&str; 7] = [
    include_str!("sql/tables.sql"),
    include_str!("sql/parts.sql"),
    include_str!("sql/grants.sql"),
    include_str!("sql/changes.sql"),
    include_str!("sql/rest.sql"),
    include_str!("sql/bytes.sql"),
    include_str!("sql/users.sql"),
];

/// The form of the tables and functions: `layout()` in `tables.sql`.
pub(super) const LAYOUT: i32 = 2;

/// The longest place that is not hashed: a full key has its suffix as well.
const ROOM: usize = super::LONGEST_KEY - "@4294967295.255".len();

/// The oldest version that will do, as `server_version_num` has it: the oldest that this is tested on.
pub(super) const OLDEST: u32 = 150_000;

/// Returns the statements that make tables and functions.
pub(super) fn tables(schema: &Schema, owner: Option<&str>, is_logged: bool) -> String {
    let unlogged = if is_logged { "" } else { "UNLOGGED" };
    let text = FILES.concat().replace("{schema}", &schema.quoted()).replace("{unlogged}", unlogged);
    let text = text.replace("{largest}", &super::LARGEST_ENTRY.to_string()).replace("{room}", &ROOM.to_string());
    // (The owner last: its name is any text.)
    owners(&text, schema, owner)
}

/// Asks whether the schema, or something in it, belongs to a stranger.
const OWNERS: &str = include_str!("sql/owners.sql");

/// Asks the server what it is: its version; whether the session has the settings; whether the server takes writes;
/// whether the schema is a stranger's, and has functions of ours; and what the life is made of. It is for each server,
/// however old, for each session, whatever its search path is, and for each schema, whatever lies there.
pub(super) fn what(schema: &Schema, owner: Option<&str>, settings: &str) -> String {
    let text = "
        SELECT pg_catalog.current_setting('server_version_num'),
            NOT EXISTS (
                SELECT FROM (VALUES {settings}) AS v (name, setting)
                LEFT JOIN pg_catalog.pg_settings s ON s.name::text = v.name
                WHERE s.setting::text IS DISTINCT FROM v.setting
            ),
            pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only'),
            {owners},
            EXISTS (
                SELECT FROM pg_catalog.pg_proc p, pg_catalog.pg_namespace n
                WHERE p.pronamespace = n.oid AND n.nspname::text = {name}::text AND p.proname::text = 'layout'::text
            ),
            (SELECT system_identifier FROM pg_catalog.pg_control_system()),
            CASE WHEN pg_catalog.pg_is_in_recovery() THEN ''
                ELSE pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 8) END,
            extract(epoch FROM pg_catalog.pg_postmaster_start_time()),
            (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname::text = pg_catalog.current_database()::text)";
    owners(&text.replace("{settings}", settings), schema, owner)
}

/// Puts the question for the owners in, and whom it is about.
fn owners(text: &str, schema: &Schema, owner: Option<&str>) -> String {
    let owner = owner.map_or_else(|| "NULL".to_owned(), literal);
    text.replace("{owners}", OWNERS).replace("{name}", &literal(schema.name())).replace("{owner}", &owner)
}

/// Returns a text as a statement has it, whatever the session's setting for backslashes is.
fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// Asks for the form of the tables, and their life, once the session is known to be this connection's own, and the
/// server to be new enough for the setting.
pub(super) fn life(schema: &Schema, new: i64) -> String {
    let schema = schema.quoted();
    // (With its type: a function for another one would be a stranger's.)
    format!("SET idle_session_timeout = 0; SELECT {schema}.layout(), {schema}.life('{new}'::bigint)")
}

/// What is asked of a server, by a statement that was prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Look,
    LookMany,
    Bury,
    Get,
    BuryCounter,
    Claim,
    Renew,
    Publish,
    End,
    Set,
    Touch,
    Mark,
    Invalidate,
    Count,
    Reset,
    Wait,
    Probe,
    Tell,
    Cull,
    Holder,
    /// Of a heartbeat.
    Alive,
}

impl Call {
    pub(super) fn text(self, schema: &Schema) -> String {
        let text = match self {
            // (The join makes a row where there is none, since the time is asked for as well.)
            Call::Look => {
                "SELECT CASE WHEN e.expires > clock_timestamp() AND octet_length(e.value) <= {largest} THEN e.value END,
                    e.version, e.is_marked, clock_timestamp(), coalesce(e.expires <= clock_timestamp(), false)
                FROM (SELECT) AS one
                LEFT JOIN {schema}.entry e ON e.place = $1 AND e.schema = $2 AND e.format = $3"
            }
            Call::LookMany => {
                "SELECT CASE WHEN e.expires > clock_timestamp() AND octet_length(e.value) <= {largest} THEN e.value END,
                    e.version, e.is_marked, clock_timestamp(), coalesce(e.expires <= clock_timestamp(), false)
                FROM unnest($1::bytea[], $2::bigint[], $3::smallint[])
                    WITH ORDINALITY AS k (place, schema, format, number)
                LEFT JOIN LATERAL (
                    SELECT * FROM {schema}.entry e
                    WHERE e.place = k.place AND e.schema = k.schema AND e.format = k.format
                    LIMIT 1
                ) AS e ON true
                ORDER BY k.number"
            }
            Call::Bury => {
                "DELETE FROM {schema}.entry WHERE ctid = ANY (ARRAY(
                    SELECT e.ctid FROM unnest($1::bytea[], $2::bigint[], $3::smallint[]) AS k (place, schema, format)
                    JOIN {schema}.entry e ON e.place = k.place AND e.schema = k.schema AND e.format = k.format
                    WHERE e.expires <= clock_timestamp()
                    FOR UPDATE OF e SKIP LOCKED
                ))"
            }
            Call::Get => {
                "SELECT CASE WHEN expires > clock_timestamp() THEN value END FROM {schema}.counter WHERE place = $1"
            }
            Call::BuryCounter => {
                "DELETE FROM {schema}.counter WHERE ctid = ANY (ARRAY(
                    SELECT ctid FROM {schema}.counter WHERE place = $1 AND expires <= clock_timestamp()
                    FOR UPDATE SKIP LOCKED
                ))"
            }
            Call::Claim => "SELECT * FROM {schema}.claim($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            Call::Renew => "SELECT {schema}.renew($1, $2, $3, $4, $5, $6)",
            Call::Publish => "SELECT * FROM {schema}.publish($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            Call::End => "SELECT * FROM {schema}.end($1, $2, $3, $4, $5, $6, $7)",
            Call::Set => "SELECT * FROM {schema}.set($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, false)",
            Call::Touch => "SELECT * FROM {schema}.touch($1, $2, $3, $4, $5, $6, $7, $8, false)",
            Call::Mark => "SELECT * FROM {schema}.mark($1, $2, $3, $4, $5, $6, false)",
            Call::Invalidate => "SELECT * FROM {schema}.invalidate($1, $2, $3, $4, $5, $6, false)",
            Call::Count => "SELECT * FROM {schema}.count($1, $2, $3, $4)",
            Call::Reset => "DELETE FROM {schema}.counter WHERE place = $1",
            Call::Wait => "SELECT {schema}.wait($1, $2)",
            Call::Probe => "SELECT pg_try_advisory_xact_lock_shared($1)",
            Call::Tell => "SELECT pg_notify('{channel}', told) FROM unnest($1::text[]) AS told",
            Call::Holder => {
                "SELECT virtualtransaction FROM pg_locks
                WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND mode = 'ExclusiveLock'
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                    AND (classid::bigint << 32 | objid::bigint) = $1"
            }
            Call::Alive => "SELECT {schema}.alive()",
            Call::Cull => "SELECT {schema}.cull($1, $2, $3)",
        };
        let text = text.replace("{schema}", &schema.quoted()).replace("{channel}", &schema.channel());
        text.replace("{largest}", &super::LARGEST_ENTRY.to_string())
    }
}
