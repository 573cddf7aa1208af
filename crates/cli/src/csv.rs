//! Comma-separated values (RFC 4180), as spreadsheets write them: quotes, line ends within quotes, a byte order mark, and
//! semicolons or tabs where the country prefers them.

/// One record with the line it begins in, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// Line of its first character.
    pub(crate) line: usize,
    /// Its cells, unquoted.
    pub(crate) cells: Vec<String>,
}

/// Splits a text into records. Empty lines are none.
///
/// # Errors
/// What is wrong, with the line.
pub(crate) fn parse(text: &str) -> Result<Vec<Record>, String> {
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = Reader { delimiter: delimiter(text), rest: text, line: 1 };
    let mut records = Vec::new();
    while let Some(record) = reader.record()? {
        if record.cells.iter().any(|cell| !cell.trim().is_empty()) {
            records.push(record);
        }
    }
    Ok(records)
}

/// The separator of the first line that has something in it: whichever of the three occurs most.
fn delimiter(text: &str) -> char {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let count = |wanted: char| first.chars().filter(|c| *c == wanted).count();
    // The last of equals wins: a comma unless there is more of another.
    ['\t', ';', ','].into_iter().max_by_key(|c| count(*c)).unwrap_or(',')
}

struct Reader<'a> {
    delimiter: char,
    rest: &'a str,
    line: usize,
}

/// What ended a cell.
enum End {
    Cell,
    Record,
}

impl Reader<'_> {
    fn record(&mut self) -> Result<Option<Record>, String> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let line = self.line;
        let mut cells = Vec::new();
        loop {
            let (cell, end) = if self.rest.starts_with('"') { self.quoted()? } else { self.plain() };
            cells.push(cell);
            if matches!(end, End::Record) {
                return Ok(Some(Record { line, cells }));
            }
        }
    }

    fn plain(&mut self) -> (String, End) {
        let end = self.rest.find([self.delimiter, '\n', '\r']).unwrap_or(self.rest.len());
        let (cell, rest) = self.rest.split_at(end);
        let cell = cell.to_owned();
        self.rest = rest;
        (cell, self.end())
    }

    fn quoted(&mut self) -> Result<(String, End), String> {
        let begin = self.line;
        let mut cell = String::new();
        let mut rest = &self.rest[1..];
        loop {
            let Some(quote) = rest.find('"') else {
                return Err(format!("line {begin}: a cell begins with a quotation mark and never ends"));
            };
            let (inside, after) = rest.split_at(quote);
            cell.push_str(inside);
            self.line += inside.matches('\n').count();
            rest = &after[1..];
            match rest.strip_prefix('"') {
                Some(after) => {
                    cell.push('"');
                    rest = after;
                }
                None => break,
            }
        }
        self.rest = rest;
        if !rest.is_empty() && !rest.starts_with([self.delimiter, '\n', '\r']) {
            return Err(format!("line {}: something follows the closing quotation mark of a cell", self.line));
        }
        Ok((cell, self.end()))
    }

    /// Steps over what ended a cell.
    fn end(&mut self) -> End {
        if let Some(rest) = self.rest.strip_prefix(self.delimiter) {
            self.rest = rest;
            return End::Cell;
        }
        let line_end = if self.rest.starts_with("\r\n") { 2 } else { usize::from(!self.rest.is_empty()) };
        self.rest = &self.rest[line_end..];
        self.line += 1;
        End::Record
    }
}

/// Writes one record. Cells that a spreadsheet would take for a formula get an apostrophe in front, which [`unescape`] takes
/// off again.
pub(crate) fn write(cells: &[&str]) -> String {
    let mut line = String::new();
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            line.push(',');
        }
        let formula = cell.starts_with(FORMULA);
        let quoted = formula || cell.contains(['"', ',', ';', '\t', '\n', '\r']) || cell.trim() != *cell;
        if quoted {
            line.push('"');
            line.push_str(if formula { "'" } else { "" });
            line.push_str(&cell.replace('"', "\"\""));
            line.push('"');
        } else {
            line.push_str(cell);
        }
    }
    line.push('\n');
    line
}

/// What a spreadsheet takes for the beginning of a formula; an apostrophe is there so that [`unescape`] undoes [`write`] exactly.
const FORMULA: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\''];

/// A cell as it was before [`write`].
pub(crate) fn unescape(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|rest| rest.starts_with(FORMULA)).unwrap_or(cell)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cells(text: &str) -> Vec<Vec<String>> {
        parse(text).unwrap().into_iter().map(|record| record.cells).collect()
    }

    #[test]
    fn plain_and_quoted_cells() {
        assert_eq!(cells("a,b\n1,\"x, \"\"y\"\"\"\n"), [vec!["a", "b"], vec!["1", "x, \"y\""]]);
        assert_eq!(cells("a;b\r\n1;\r\n\r\n;;\n2;3"), [vec!["a", "b"], vec!["1", ""], vec!["2", "3"]]);
        assert_eq!(cells("\u{feff}a\tb\n1\t2"), [vec!["a", "b"], vec!["1", "2"]]);
        assert_eq!(cells(""), Vec::<Vec<String>>::new());
        assert_eq!(cells("a\rb\r"), [vec!["a"], vec!["b"]], "line ends of old");
    }

    #[test]
    fn lines_are_counted_through_quotes() {
        let records = parse("a,b\n\n\"two\nlines\",x\nlast,y\n").unwrap();
        assert_eq!(records.iter().map(|record| record.line).collect::<Vec<_>>(), [1, 3, 5]);
    }

    #[test]
    fn broken_quotes_name_their_line() {
        assert!(parse("a\n\"open\nand on").unwrap_err().contains("line 2"));
        assert!(parse("a\n\"x\"y\n").unwrap_err().contains("line 2"));
    }

    #[test]
    fn formulas_are_disarmed() {
        assert_eq!(
            write(&["=1+1", "+49", "@x", "-", "plain", "it's"]),
            "\"'=1+1\",\"'+49\",\"'@x\",\"'-\",plain,it's\n"
        );
        assert_eq!(unescape("'=1+1"), "=1+1");
        assert_eq!(unescape("'quoted"), "'quoted");
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in any::<String>()) {
            let _ = parse(&text);
        }

        #[test]
        fn no_text_with_marks_is_too_odd(text in "[a,;\"\r\n\t']{0,40}") {
            let _ = parse(&text);
        }

        #[test]
        fn what_is_written_is_read(cells in prop::collection::vec("[ -~\n\r\t\"'é=]{0,12}", 2..6)) {
            prop_assume!(cells.iter().any(|cell| !cell.trim().is_empty()));
            let texts: Vec<&str> = cells.iter().map(String::as_str).collect();
            // A title line decides about the separator.
            let text = format!("{}{}", write(&vec!["t"; cells.len()]), write(&texts));
            let records = parse(&text).unwrap();
            let read: Vec<&str> = records[1].cells.iter().map(|cell| unescape(cell)).collect();
            prop_assert_eq!(read, texts);
        }

        #[test]
        fn nothing_written_is_a_formula(cell in any::<String>()) {
            let line = write(&["x", &cell]);
            prop_assert!(!line[2..].starts_with(['=', '+', '-', '@', '\t', '\r']));
        }
    }
}
