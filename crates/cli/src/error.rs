//! What can go wrong, told as what, why and what to do.

use crate::args::Format;
use crate::escape;
use std::fmt;
use std::io::{self, Write};
use tonic::{Code, Status};

/// A command that did not do what it was asked to.
#[derive(Debug)]
pub(crate) enum Error {
    /// The command or a file it was given is wrong.
    Usage {
        /// What is wrong.
        what: String,
        /// What to do.
        fix: String,
    },
    /// The gateway said no.
    Refused {
        /// The API's name of the reason, such as `not_found`.
        code: &'static str,
        /// The gateway's words.
        what: String,
        /// What to do, where the words do not say it.
        fix: String,
    },
    /// The gateway cannot be reached.
    Unreachable {
        /// What was tried, and what the system answered.
        what: String,
        /// What to do.
        fix: String,
    },
    /// The output could not be written.
    Output(io::Error),
}

/// What commands answer with: an exit code, or why there is none.
pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Exit code of wrong usage.
    pub(crate) const USAGE: u8 = 2;

    /// A mistake of the user, with what to do instead.
    pub(crate) fn usage(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Error::Usage { what: what.into(), fix: fix.into() }
    }

    /// Nothing by this name.
    pub(crate) fn not_found(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Error::Refused { code: code_name(Code::NotFound), what: what.into(), fix: fix.into() }
    }

    /// The gateway has nothing of that, or does not know the question.
    pub(crate) fn is_absent(&self) -> bool {
        let names = [code_name(Code::NotFound), code_name(Code::Unimplemented)];
        matches!(self, Error::Refused { code, .. } if names.contains(code))
    }

    /// The exit code, as the crate's documentation lists them.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Error::Refused { .. } => 1,
            Error::Usage { .. } => Self::USAGE,
            Error::Unreachable { .. } => 3,
            // `basalt get ues | head` is fine.
            Error::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Error::Output(_) => 1,
        }
    }

    /// Tells it: in words, or as one line of JSON for programs.
    pub(crate) fn show(&self, format: Format, stderr: &mut dyn Write) {
        let (code, what, fix) = match self {
            Error::Usage { what, fix } => ("usage", what.clone(), fix.as_str()),
            Error::Refused { code, what, fix } => (*code, what.clone(), fix.as_str()),
            Error::Unreachable { what, fix } => ("unreachable", what.clone(), fix.as_str()),
            Error::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => return,
            Error::Output(error) => ("output", format!("the output could not be written: {error}"), ""),
        };
        let text = if matches!(format, Format::Json | Format::Yaml) {
            let error = serde_json::json!({ "error": { "code": code, "message": what, "fix": fix } });
            format!("{}\n", escape::json(&error.to_string()))
        } else if fix.is_empty() {
            format!("basalt: {}\n", escape::lines(&what))
        } else {
            format!("basalt: {}\n  fix: {}\n", escape::lines(&what), escape::lines(fix))
        };
        // There is nowhere left to complain.
        let _ = stderr.write_all(text.as_bytes());
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Usage { what, .. } | Error::Refused { what, .. } | Error::Unreachable { what, .. } => {
                f.write_str(what)
            }
            Error::Output(error) => error.fmt(f),
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Error::Output(error)
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        let what = if status.message().is_empty() { status.code().to_string() } else { status.message().to_owned() };
        let fix = match status.code() {
            Code::Unavailable | Code::Cancelled | Code::Unknown => {
                return Error::Unreachable {
                    what: format!("the gateway went away: {what}"),
                    fix: "look at its log (journalctl -u agwd), and try again".to_owned(),
                };
            }
            Code::DeadlineExceeded => {
                return Error::Unreachable {
                    what: "the gateway does not answer".to_owned(),
                    fix: "it may wait for its disk: look at its log (journalctl -u agwd)".to_owned(),
                };
            }
            Code::Unimplemented => "the gateway is older than this command: upgrade it, or use the basalt beside it",
            // Most words of the gateway name the list to look into already.
            Code::NotFound if !what.contains('`') => {
                "`basalt get ues`, `get sessions` and `get enbs` list what there is"
            }
            Code::PermissionDenied => "run the command as root or as a member of the socket's group",
            _ => "",
        };
        Error::Refused { code: code_name(status.code()), what, fix: fix.to_owned() }
    }
}

/// The stable name of a gRPC code.
fn code_name(code: Code) -> &'static str {
    match code {
        Code::NotFound => "not_found",
        Code::AlreadyExists => "already_exists",
        Code::InvalidArgument => "invalid_argument",
        Code::FailedPrecondition => "failed_precondition",
        Code::ResourceExhausted => "resource_exhausted",
        Code::PermissionDenied => "permission_denied",
        Code::Unimplemented => "unimplemented",
        Code::OutOfRange => "out_of_range",
        Code::DataLoss => "data_loss",
        Code::Aborted => "aborted",
        _ => "internal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(error: &Error, format: Format) -> String {
        let mut text = Vec::new();
        error.show(format, &mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn exit_codes_are_those_documented() {
        assert_eq!(Error::usage("a", "b").exit_code(), 2);
        assert_eq!(Error::from(Status::not_found("x")).exit_code(), 1);
        assert_eq!(Error::from(Status::already_exists("x")).exit_code(), 1);
        assert_eq!(Error::from(Status::unavailable("x")).exit_code(), 3);
        assert_eq!(Error::from(Status::deadline_exceeded("x")).exit_code(), 3);
        assert_eq!(Error::from(io::Error::from(io::ErrorKind::BrokenPipe)).exit_code(), 0);
        assert_eq!(Error::from(io::Error::from(io::ErrorKind::StorageFull)).exit_code(), 1);
    }

    #[test]
    fn errors_name_what_and_fix() {
        let error = Error::usage("no such file", "give another");
        assert_eq!(shown(&error, Format::Table), "basalt: no such file\n  fix: give another\n");
        let json: serde_json::Value = serde_json::from_str(&shown(&error, Format::Json)).unwrap();
        assert_eq!(json["error"]["code"], "usage");
    }

    #[test]
    fn the_gateways_words_cannot_paint_the_terminal() {
        let error = Error::from(Status::invalid_argument("name \u{1b}[31m\u{9b}2J"));
        for format in [Format::Table, Format::Json] {
            assert!(!shown(&error, format).contains(['\u{1b}', '\u{9b}']));
        }
    }

    #[test]
    fn a_closed_pipe_is_no_complaint() {
        assert_eq!(shown(&Error::from(io::Error::from(io::ErrorKind::BrokenPipe)), Format::Table), "");
    }
}
