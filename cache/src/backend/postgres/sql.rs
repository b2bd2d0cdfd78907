//! The statements.

use super::address::Schema;

/// The files of the tables and functions, in their order.
const FILES: [&str; 5] = [
    include_str!("sql/tables.sql"),
    include_str!("sql/parts.sql"),
    include_str!("sql/grants.sql"),
    include_str!("sql/changes.sql"),
    include_str!("sql/rest.sql"),
];

/// The form of the tables and functions: `layout()` in `tables.sql`.
pub(super) const LAYOUT: i32 = 1;

/// The oldest version that will do, as `server_version_num` has it: the oldest that this is tested on.
pub(super) const OLDEST: u32 = 150_000;

/// Returns the statements that make tables and functions.
pub(super) fn tables(schema: &Schema, is_logged: bool) -> String {
    let unlogged = if is_logged { "" } else { "UNLOGGED" };
    FILES.concat().replace("{schema}", &schema.quoted()).replace("{unlogged}", unlogged)
}

/// Begins a session. It reads nothing, and is sent before anything else. `timeout` is in milliseconds.
///
/// - READ COMMITTED: each statement of a function has a snapshot of its own.
/// - The plans are those by key, whatever the statistics are, and are made once.
pub(super) fn session(timeout: u64, is_durable: bool) -> String {
    let durable = if is_durable { "" } else { "SET synchronous_commit = off;" };
    format!(
        "SET default_transaction_isolation = 'read committed'; SET statement_timeout = {timeout}; SET lock_timeout = 0;
        SET idle_session_timeout = 0; SET search_path = pg_catalog; SET jit = off; SET enable_seqscan = off;
        SET plan_cache_mode = force_generic_plan; {durable}"
    )
}

/// Asks the server what it is: its version, whether it takes writes, and what its life is made of.
pub(super) const WHAT: &str = "
    SELECT current_setting('server_version_num'), pg_is_in_recovery(), current_setting('transaction_read_only'),
        (SELECT system_identifier FROM pg_control_system()),
        CASE WHEN pg_is_in_recovery() THEN '' ELSE left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) END,
        extract(epoch FROM pg_postmaster_start_time())";

/// Asks for the form of the tables, and their life.
pub(super) fn life(schema: &Schema, new: i64) -> String {
    let schema = schema.quoted();
    format!("SELECT {schema}.layout(), {schema}.life({new})")
}

/// Asks for the form of the tables: nothing, if they are not there.
pub(super) fn is_there(schema: &Schema) -> String {
    format!("SELECT to_regprocedure('{}.layout()')", schema.quoted())
}

/// What is asked of a server, by a statement that was prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Look,
    LookMany,
    Bury,
    Get,
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
}

impl Call {
    pub(super) fn text(self, schema: &Schema) -> String {
        let text = match self {
            // (The join makes a row where there is none, since the time is asked for as well.)
            Call::Look => {
                "SELECT CASE WHEN e.expires > clock_timestamp() THEN e.value END, e.version, e.is_marked,
                    clock_timestamp(), e.place IS NOT NULL
                FROM (SELECT) AS one
                LEFT JOIN {schema}.entry e ON e.place = $1 AND e.schema = $2 AND e.format = $3"
            }
            Call::LookMany => {
                "SELECT CASE WHEN e.expires > clock_timestamp() THEN e.value END, e.version, e.is_marked,
                    clock_timestamp(), e.place IS NOT NULL
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
            Call::Get => "SELECT value FROM {schema}.counter WHERE place = $1 AND expires > clock_timestamp()",
            Call::Claim => "SELECT * FROM {schema}.claim($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            Call::Renew => "SELECT {schema}.renew($1, $2, $3, $4, $5, $6)",
            Call::Publish => "SELECT * FROM {schema}.publish($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            Call::End => "SELECT * FROM {schema}.end($1, $2, $3, $4, $5, $6, $7)",
            Call::Set => "SELECT * FROM {schema}.set($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            Call::Touch => "SELECT * FROM {schema}.touch($1, $2, $3, $4, $5, $6, $7, $8)",
            Call::Mark => "SELECT * FROM {schema}.mark($1, $2, $3, $4, $5, $6)",
            Call::Invalidate => "SELECT * FROM {schema}.invalidate($1, $2, $3, $4, $5, $6)",
            Call::Count => "SELECT * FROM {schema}.count($1, $2, $3, $4)",
            Call::Reset => "DELETE FROM {schema}.counter WHERE place = $1",
            Call::Wait => "SELECT {schema}.wait($1, $2)",
            Call::Probe => "SELECT pg_try_advisory_xact_lock_shared($1)",
            Call::Tell => "SELECT pg_notify('{channel}', told) FROM unnest($1::text[]) AS told",
            Call::Cull => "SELECT {schema}.cull(NULL, $1)",
        };
        text.replace("{schema}", &schema.quoted()).replace("{channel}", &schema.channel())
    }
}
