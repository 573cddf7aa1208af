//! Tables without boxes: columns two spaces apart, numbers to the right, every cell escaped.

use crate::escape;
use std::io::{self, Write};

/// A table being filled.
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

struct Column {
    title: &'static str,
    right: bool,
    width: usize,
}

impl Table {
    /// Columns by title; those that begin with `>` are aligned to the right.
    pub(crate) fn new(titles: &[&'static str]) -> Self {
        let columns = titles.iter().map(|title| {
            let name = title.trim_start_matches('>');
            Column { title: name, right: name != *title, width: width(name) }
        });
        Self { columns: columns.collect(), rows: Vec::new() }
    }

    /// Adds a row. An empty cell is shown as a hyphen.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.push(cells.into());
    }

    /// Adds a row of as many cells as there are columns.
    pub(crate) fn push(&mut self, cells: Vec<String>) {
        let cells: Vec<String> = cells
            .into_iter()
            .map(|cell| if cell.is_empty() { "-".to_owned() } else { escape::line(&cell).into_owned() })
            .collect();
        for (column, cell) in self.columns.iter_mut().zip(&cells) {
            column.width = column.width.max(width(cell));
        }
        self.rows.push(cells);
    }

    /// Whether there is no row.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Writes title line and rows.
    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let titles: Vec<String> = self.columns.iter().map(|column| column.title.to_owned()).collect();
        self.write_row(&titles, out)?;
        self.rows.iter().try_for_each(|row| self.write_row(row, out))
    }

    fn write_row(&self, cells: &[String], out: &mut dyn Write) -> io::Result<()> {
        let mut text = String::new();
        for (index, (column, cell)) in self.columns.iter().zip(cells).enumerate() {
            if index > 0 {
                text.push_str("  ");
            }
            let padding = column.width.saturating_sub(width(cell));
            if column.right {
                text.extend(std::iter::repeat_n(' ', padding));
                text.push_str(cell);
            } else {
                text.push_str(cell);
                text.extend(std::iter::repeat_n(' ', padding));
            }
        }
        writeln!(out, "{}", text.trim_end())
    }
}

/// How many columns of a terminal a text takes: two for East Asian wide characters and most symbols, none for marks that are
/// put onto the letter before (the ranges that matter for names; UAX #11).
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

fn char_width(c: char) -> usize {
    match c {
        '\u{0300}'..='\u{036f}' | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe0f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1f64f}'
        | '\u{1f900}'..='\u{1f9ff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(table: &Table) -> String {
        let mut text = Vec::new();
        table.write(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn columns_are_aligned_and_lines_have_no_tail() {
        let mut table = Table::new(&["NAME", ">BYTES", "NOTE"]);
        assert!(table.is_empty());
        table.row(["a".to_owned(), "7".to_owned(), String::new()]);
        table.row(["longer".to_owned(), "123 MB".to_owned(), "x".to_owned()]);
        assert_eq!(written(&table), "NAME     BYTES  NOTE\na            7  -\nlonger  123 MB  x\n");
    }

    #[test]
    fn cells_are_escaped_before_they_are_measured() {
        let mut table = Table::new(&["NAME", "X"]);
        table.row(["\u{1b}[31m".to_owned(), "1".to_owned()]);
        table.row(["東京".to_owned(), "2".to_owned()]);
        assert_eq!(written(&table), "NAME        X\n\\u{1b}[31m  1\n東京        2\n");
    }
}
