//! Tables that are readable as they are, and are Markdown.

/// Prints a table, each column as wide as its widest cell. The first column is aligned to the left, the others to the
/// right.
pub fn print(head: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].chars().count(), 3]).max().unwrap_or_default()
    };
    let line = |cell: &dyn Fn(usize, usize) -> String| {
        let cells: Vec<String> = (0..head.len()).map(|column| cell(column, width(column))).collect();
        println!("| {} |", cells.join(" | "));
    };
    let padded = |text: &str, column: usize, width: usize| {
        if column == 0 { format!("{text:<width$}") } else { format!("{text:>width$}") }
    };
    line(&|column, width| padded(head[column], column, width));
    line(&|column, width| if column == 0 { "-".repeat(width) } else { format!("{}:", "-".repeat(width - 1)) });
    for row in rows {
        line(&|column, width| padded(&row[column], column, width));
    }
}

/// A time with its unit, to two or three digits.
pub fn time(nanoseconds: f64) -> String {
    let (number, unit) = match nanoseconds {
        ..1e3 => (nanoseconds, "ns"),
        ..1e6 => (nanoseconds / 1e3, "µs"),
        ..1e9 => (nanoseconds / 1e6, "ms"),
        _ => (nanoseconds / 1e9, "s"),
    };
    format!("{} {unit}", digits(number))
}

/// A number, to two or three digits.
pub fn digits(number: f64) -> String {
    if number < 9.95 { format!("{number:.1}") } else { format!("{number:.0}") }
}
