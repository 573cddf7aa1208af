//! Where answers go: a table for people, JSON for programs.

use crate::args::Format;
use crate::escape;
use crate::table::{Table, width};
use serde::Serialize;
use std::io::{self, Write};

/// Standard output and error in the form that was asked for.
pub(crate) struct Out<'a> {
    /// The form.
    pub(crate) format: Format,
    /// Seconds since 1970 UTC.
    pub(crate) now: u64,
    stdout: &'a mut dyn Write,
    stderr: &'a mut dyn Write,
}

impl<'a> Out<'a> {
    /// An output.
    pub(crate) fn new(format: Format, now: u64, stdout: &'a mut dyn Write, stderr: &'a mut dyn Write) -> Self {
        Self { format, now, stdout, stderr }
    }

    /// Whether programs read it, as JSON or YAML.
    pub(crate) fn is_json(&self) -> bool {
        matches!(self.format, Format::Json | Format::Yaml)
    }

    /// Whether more columns are wanted.
    pub(crate) fn is_wide(&self) -> bool {
        self.format == Format::Wide
    }

    /// Writes a value as JSON over several lines, or as YAML where that was asked for.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        if self.format == Format::Yaml {
            return self.yaml(value);
        }
        let text = serde_json::to_string_pretty(value)?;
        writeln!(self.stdout, "{}", escape::json(&text))
    }

    /// Writes a value as YAML.
    pub(crate) fn yaml(&mut self, value: &impl Serialize) -> io::Result<()> {
        let text = serde_yaml_ng::to_string(value).map_err(io::Error::other)?;
        write!(self.stdout, "{}", escape::lines(&text))
    }

    /// Writes a value as one line of JSON, at once.
    pub(crate) fn json_line(&mut self, value: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string(value)?;
        writeln!(self.stdout, "{}", escape::json(&text))?;
        self.stdout.flush()
    }

    /// Writes a table; an empty one is nothing on standard output and `hint` on standard error.
    pub(crate) fn table(&mut self, table: &Table, hint: &str) -> io::Result<()> {
        if table.is_empty() {
            return self.note(hint);
        }
        table.write(self.stdout)
    }

    /// Writes one line, escaped, at once.
    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.stdout, "{}", escape::line(text))?;
        self.stdout.flush()
    }

    /// Writes octets as they are: only for what was made here.
    pub(crate) fn raw(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stdout.write_all(octets)
    }

    /// Writes text of several lines, each escaped.
    pub(crate) fn text(&mut self, text: &str) -> io::Result<()> {
        write!(self.stdout, "{}", escape::lines(text))
    }

    /// What people may want to know but programs need not, on standard error.
    pub(crate) fn note(&mut self, text: &str) -> io::Result<()> {
        if self.is_json() {
            return Ok(());
        }
        self.stdout.flush()?;
        writeln!(self.stderr, "{}", escape::lines(text))
    }

    /// Everything is out, or could not be written.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.stdout.flush()
    }

    /// Writes "name  value" lines with the values below each other.
    pub(crate) fn fields(&mut self, fields: &[(&str, String)]) -> io::Result<()> {
        let widest = fields.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
        for (name, value) in fields {
            let value = if value.is_empty() { "-".into() } else { escape::line(value) };
            writeln!(self.stdout, "{name:widest$}  {value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(format: Format, write: impl FnOnce(&mut Out<'_>)) -> (String, String) {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        write(&mut Out::new(format, 0, &mut stdout, &mut stderr));
        (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    }

    #[test]
    fn hints_do_not_disturb_programs() {
        let empty = Table::new(&["A"]);
        let (stdout, stderr) = output(Format::Table, |out| out.table(&empty, "nothing here").unwrap());
        assert_eq!((stdout.as_str(), stderr.as_str()), ("", "nothing here\n"));
        let (_, stderr) = output(Format::Json, |out| out.note("hint").unwrap());
        assert_eq!(stderr, "");
    }

    #[test]
    fn fields_stand_below_each_other() {
        let fields = [("a", "1\u{1b}".to_owned()), ("long", String::new())];
        let (stdout, _) = output(Format::Table, |out| out.fields(&fields).unwrap());
        assert_eq!(stdout, "a     1\\u{1b}\nlong  -\n");
    }

    #[test]
    fn lines_of_json_are_lines() {
        let (stdout, _) = output(Format::Json, |out| out.json_line(&["a\nb\u{9b}"]).unwrap());
        assert_eq!(stdout, "[\"a\\nb\\u009b\"]\n");
    }
}
