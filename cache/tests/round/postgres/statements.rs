//! The statements of the functions, in the order in which the SQL has them.

/// What a session executes next: a statement, by its function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum At {
    Check,
    EnterWait,
    EnterTry,
    IsAwaited,
    OwnTry,
    OwnTake,
    OwnRead,
    OwnUnhold,
    OwnForget,
    PlaceTake,
    PlaceRead,
    EntriesTake,
    EntriesRead,
    PutTake,
    PutRead,
    PutDelete,
    PutUpdate,
    PutInsert,
    VoidRead,
    VoidUpdate,
    VoidDelete,
    ClaimPeek,
    ClaimTry,
    ClaimTake,
    ClaimRead,
    ClaimAgain,
    ClaimEntry,
    ClaimEntryRead,
    ClaimValue,
    ClaimInsert,
    RenewUpdate,
    PublishDelete,
    EndPause,
    EndUnhold,
    EndDelete,
    SetSee,
    SetValue,
    MarkSee,
    MarkEntry,
    MarkPlace,
    InvalidateSee,
    InvalidateDelete,
    /// The end of the transaction: what it has written can be seen, and its rows are free.
    Commit,
    /// After that, the server releases the lock of the place.
    Unlock,
    /// A user's transaction, in which no function runs.
    Open,
    /// The server has answered.
    Done,
}

impl At {
    /// Whether the model does nothing there: what is read is for the caller alone.
    pub fn is_nothing(self) -> bool {
        matches!(self, At::SetSee | At::MarkSee | At::InvalidateSee)
    }
}

const fn calls(function: &'static str) -> (&'static str, Option<At>) {
    (function, None)
}

const fn does(verb: &'static str, at: At) -> (&'static str, Option<At>) {
    (verb, Some(at))
}

type Listed = &'static [(&'static str, Option<At>)];

/// The statements of each function, in the order of its text: calls, locks, and what reads or writes a table.
pub const LISTING: &[(&str, Listed)] = &[
    ("check", &[does("read life", At::Check)]),
    ("enter", &[calls("check"), does("wait for the lock", At::EnterWait), does("try the lock", At::EnterTry)]),
    ("is_awaited", &[does("read waiter", At::IsAwaited)]),
    (
        "own",
        &[
            calls("check"),
            does("try the lock", At::OwnTry),
            does("lock place or skip", At::OwnTake),
            does("read place", At::OwnRead),
            does("update place", At::OwnUnhold),
            does("delete place", At::OwnForget),
        ],
    ),
    ("take_place", &[does("lock place or skip", At::PlaceTake), does("read place", At::PlaceRead)]),
    ("take_entries", &[does("lock entry or skip", At::EntriesTake), does("read entry", At::EntriesRead)]),
    (
        "put",
        &[
            does("lock entry or skip", At::PutTake),
            does("read entry", At::PutRead),
            does("delete entry", At::PutDelete),
            does("update entry", At::PutUpdate),
            does("insert entry or nothing", At::PutInsert),
        ],
    ),
    (
        "void",
        &[does("read place", At::VoidRead), does("update place", At::VoidUpdate), does("delete place", At::VoidDelete)],
    ),
    (
        "claim",
        &[
            calls("check"),
            does("read place", At::ClaimPeek),
            does("try the lock", At::ClaimTry),
            does("lock place or skip", At::ClaimTake),
            does("read place", At::ClaimRead),
            does("update place", At::ClaimAgain),
            does("lock entry or skip", At::ClaimEntry),
            does("read entry", At::ClaimEntryRead),
            does("read entry", At::ClaimValue),
            does("insert place or update", At::ClaimInsert),
        ],
    ),
    ("renew", &[calls("own"), does("update place", At::RenewUpdate)]),
    ("publish", &[calls("own"), calls("put"), does("delete place", At::PublishDelete), calls("is_awaited")]),
    (
        "end",
        &[
            calls("own"),
            does("update place", At::EndPause),
            does("update place", At::EndUnhold),
            does("delete place", At::EndDelete),
            calls("is_awaited"),
        ],
    ),
    (
        "set",
        &[
            calls("enter"),
            calls("take_place"),
            calls("take_entries"),
            does("read entry", At::SetSee),
            does("read entry", At::SetValue),
            calls("put"),
            calls("void"),
            calls("is_awaited"),
        ],
    ),
    (
        "mark",
        &[
            calls("enter"),
            calls("take_place"),
            calls("take_entries"),
            does("read entry", At::MarkSee),
            does("update entry", At::MarkEntry),
            does("update place", At::MarkPlace),
            calls("is_awaited"),
        ],
    ),
    (
        "invalidate",
        &[
            calls("enter"),
            calls("take_place"),
            calls("take_entries"),
            does("read entry", At::InvalidateSee),
            does("delete entry", At::InvalidateDelete),
            calls("void"),
            calls("is_awaited"),
        ],
    ),
];

/// The SQL, and what its functions do in which order, as its text has it.
mod text {
    use super::LISTING;

    const SQL: [&str; 3] = [
        include_str!("../../../src/backend/postgres/sql/parts.sql"),
        include_str!("../../../src/backend/postgres/sql/grants.sql"),
        include_str!("../../../src/backend/postgres/sql/changes.sql"),
    ];

    /// A digest of the functions that are modelled, without their comments and line ends. If a function changes, the
    /// model changes first.
    const DIGEST: u64 = 0x6351_EBC2_C54C_28E9;

    /// What the model has nothing of: without tables (`after`, `beat`, `is_grant`), `touch`, or the heartbeat, which
    /// changes nothing (`alive`).
    const NOT_LISTED: [&str; 5] = ["after", "beat", "is_grant", "touch", "alive"];

    fn sql() -> String {
        let lines = SQL.iter().flat_map(|file| file.lines());
        let words = lines.flat_map(|line| line.split("--").next().unwrap_or_default().split_whitespace());
        words.collect::<Vec<_>>().join(" ")
    }

    /// The functions, by name, with their text from `CREATE` on.
    fn functions(sql: &str) -> Vec<(&str, &str)> {
        let made = sql.split("CREATE OR REPLACE FUNCTION {schema}.").skip(1);
        made.map(|text| (text.split('(').next().expect("a name"), text)).collect()
    }

    fn is_called(name: &str) -> bool {
        LISTING.iter().any(|(function, _)| *function == name)
    }

    /// What a statement does, in the order of its text.
    fn verbs(statement: &str) -> Vec<String> {
        let mut found = Vec::new();
        for (at, _) in statement.match_indices("{schema}.") {
            let name = &statement[at + "{schema}.".len()..];
            let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
            let (name, rest) = name.split_at(end);
            let before = statement[..at].trim_end();
            let is_table = ["entry", "place", "waiter", "life"].contains(&name);
            let locks = match (statement.contains("FOR UPDATE"), statement.contains("SKIP LOCKED")) {
                (false, _) => "",
                (true, true) => " or skip",
                (true, false) => " or wait",
            };
            let verb = if before.ends_with("DELETE FROM") {
                format!("delete {name}")
            } else if before.ends_with("INSERT INTO") {
                let otherwise = if statement.contains("DO NOTHING") { "nothing" } else { "update" };
                format!("insert {name} or {otherwise}")
            } else if before.ends_with("UPDATE") && is_table {
                format!("update {name}")
            } else if before.ends_with("FROM") && is_table && locks.is_empty() {
                format!("read {name}")
            } else if before.ends_with("FROM") && is_table {
                format!("lock {name}{locks}")
            } else if rest.starts_with('(') && is_called(name) {
                name.to_owned()
            } else {
                continue;
            };
            found.push((at, verb));
        }
        for (lock, verb) in [
            ("pg_try_advisory_xact_lock(", "try the lock"),
            ("pg_advisory_xact_lock(", "wait for the lock"),
            ("pg_advisory_lock(", "lock the session"),
            ("pg_advisory_unlock", "unlock"),
            ("pg_notify", "notify"),
        ] {
            found.extend(statement.match_indices(lock).map(|(at, _)| (at, verb.to_owned())));
        }
        found.sort();
        found.into_iter().map(|(_, verb)| verb).collect()
    }

    #[test]
    fn the_functions_have_the_statements_of_the_model_in_their_order() {
        let sql = sql();
        let mut names = Vec::new();
        for (name, text) in functions(&sql) {
            names.push(name);
            let body = text.split("$$").nth(1).expect("a body");
            let verbs: Vec<String> = body.split(';').flat_map(verbs).collect();
            match LISTING.iter().find(|(function, _)| *function == name) {
                Some((_, listed)) => {
                    let listed: Vec<&str> = listed.iter().map(|(verb, _)| *verb).collect();
                    assert_eq!(verbs, listed, "{name}: the SQL, and the model");
                }
                None => assert!(NOT_LISTED.contains(&name), "{name} is not in the model: {verbs:?}"),
            }
        }
        assert_eq!(names.len(), LISTING.len() + NOT_LISTED.len(), "functions that are there: {names:?}");
    }

    /// The listing does not say what a statement asks: the digest notices that it was changed.
    #[test]
    fn the_functions_are_those_that_were_modelled() {
        let sql = sql();
        let mut digest: u64 = 0xCBF2_9CE4_8422_2325;
        for (_, text) in functions(&sql).into_iter().filter(|(name, _)| !["touch", "alive"].contains(name)) {
            for byte in text.bytes() {
                digest = (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
            }
        }
        assert_eq!(digest, DIGEST, "a function was changed: does the model do the same? Its digest is {digest:#X}");
    }
}
