//! CSV (RFC 4180) into rows, within bounds.

/// Cells of a row at most.
const CELLS: usize = 256;

/// A row: the line that it begins at, its cells.
pub(crate) type Row = (usize, Vec<String>);

/// The rows with the lines that they begin at. Empty lines are left out.
///
/// # Errors
/// The line and what is wrong there.
pub(crate) fn rows(text: &str) -> Result<Vec<Row>, (usize, &'static str)> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut line, mut began, mut quoted, mut was_quoted) = (1, 1, false, false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if cell.is_empty() && !was_quoted => (quoted, was_quoted) = (true, true),
            '"' => return Err((line, "a quote within a cell that does not begin with one")),
            ',' if !quoted => {
                row.push(core::mem::take(&mut cell));
                was_quoted = false;
                if row.len() >= CELLS {
                    return Err((line, "too many cells"));
                }
            }
            '\r' if !quoted && chars.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                row.push(core::mem::take(&mut cell));
                finish(&mut rows, &mut row, began, was_quoted);
                line += 1;
                (began, was_quoted) = (line, false);
            }
            other => {
                line += usize::from(other == '\n');
                cell.push(other);
            }
        }
    }
    if quoted {
        return Err((began, "a quote that is not closed"));
    }
    row.push(cell);
    finish(&mut rows, &mut row, began, was_quoted);
    Ok(rows)
}

fn finish(rows: &mut Vec<Row>, row: &mut Vec<String>, began: usize, was_quoted: bool) {
    let full = core::mem::take(row);
    if full.len() > 1 || was_quoted || full.first().is_some_and(|cell| !cell.is_empty()) {
        rows.push((began, full));
    }
}

/// A line of cells (RFC 4180).
pub(crate) fn line(cells: impl IntoIterator<Item = String>) -> String {
    let quoted = cells.into_iter().map(|cell| {
        if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
    });
    let mut line = quoted.collect::<Vec<_>>().join(",");
    line.push_str("\r\n");
    line
}

/// What spreadsheets take for the beginning of a formula.
const FORMULA: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\''];

/// A text that no spreadsheet calculates: the sign before it says that it is one. [`meant`] takes the sign away.
pub(crate) fn harmless(text: &str) -> String {
    if text.starts_with(FORMULA) { format!("'{text}") } else { text.to_owned() }
}

/// The text that was meant by a cell.
pub(crate) fn meant(cell: String) -> String {
    match cell.strip_prefix('\'') {
        Some(text) if text.starts_with(FORMULA) => text.to_owned(),
        _ => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_line_ends_are_read_as_the_rfc_says() {
        let read = rows("a,b\r\n\"x, \"\"y\"\"\nz\",2\n\n,\"\"").unwrap();
        let cells = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        assert_eq!(read, [(1, cells(["a", "b"])), (2, cells(["x, \"y\"\nz", "2"])), (5, cells(["", ""]))]);
    }

    #[test]
    fn what_is_no_csv_is_told_with_its_line() {
        assert_eq!(rows("a\nb\"c").unwrap_err().0, 2);
        assert_eq!(rows("a\n\"b").unwrap_err().0, 2);
        assert!(rows(&",".repeat(1000)).is_err());
        assert!(rows("").unwrap().is_empty());
    }

    #[test]
    fn what_is_written_is_read_and_calculates_nothing() {
        let texts = ["plain", "=1+1", "+49", "-5", "@SUM(1)", "'=x", "'", "it's", "a,\"b\"\nc", "\tx"];
        let written = line(texts.map(harmless));
        let cells = rows(&written).unwrap().remove(0).1;
        assert!(cells.iter().all(|cell| !cell.starts_with(['=', '+', '-', '@', '\t'])), "{cells:?}");
        assert_eq!(cells.into_iter().map(meant).collect::<Vec<_>>(), texts);
    }
}
