//! Any request of an orchestrator's REST interface, for what has no command of its own.

use super::objects::Way;
use crate::args::{AnyRequest, Where};
use crate::error::{Error, Result};
use crate::output::Out;
use crate::rest::Request;
use crate::text::quoted;
use std::io::Read;
use std::path::Path;

/// Octets that are read of a file.
const MOST: u64 = 256 << 20;

pub(super) async fn run(wanted: &AnyRequest, to: &Where, stdin: &mut dyn Read, out: &mut Out<'_>) -> Result<()> {
    let method = wanted.method.to_ascii_uppercase();
    let mut request = Request::new(&method, path(&wanted.path)?);
    request.form = form(wanted.form.as_deref(), &method)?;
    request.body = wanted.file.as_deref().map(|file| body(file, stdin)).transpose()?;
    request.if_match = wanted.if_match;
    let answer = Way::find(to)?.orchestrator()?.raw(&request).await?;
    match serde_json::from_slice::<serde_json::Value>(&answer) {
        Ok(document) => out.json(&document)?,
        Err(_) => out.raw(&answer)?,
    }
    Ok(())
}

/// A path and query below `/api/v1`.
fn path(told: &str) -> Result<&str> {
    let path = told.strip_prefix("/api/v1").unwrap_or(told);
    if path.starts_with('/') && path.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'#') {
        return Ok(path);
    }
    let words = format!("{} is no path of the REST interface", quoted(told));
    Err(Error::usage(words, "such as /networks/site/apns; what is not ASCII or a space is written as %20"))
}

fn form<'a>(told: Option<&'a str>, method: &str) -> Result<&'a str> {
    let usual = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let form = told.unwrap_or(usual);
    if form.contains('/') && form.bytes().all(|octet| octet.is_ascii_graphic() || octet == b' ') {
        return Ok(form);
    }
    Err(Error::usage(format!("{} is no media type", quoted(form)), "such as application/json or text/csv"))
}

fn body(file: &Path, stdin: &mut dyn Read) -> Result<Vec<u8>> {
    let mut octets = Vec::new();
    let read = if file == Path::new("-") {
        stdin.take(MOST + 1).read_to_end(&mut octets)
    } else {
        std::fs::File::open(file).and_then(|opened| opened.take(MOST + 1).read_to_end(&mut octets))
    };
    match read {
        Ok(length) if length as u64 > MOST => {
            Err(Error::usage(format!("{} has more than {MOST} octets", file.display()), "send it in parts"))
        }
        Ok(_) => Ok(octets),
        Err(error) => {
            let words = format!("{} cannot be read: {error}", file.display());
            Err(Error::usage(words, "check name and rights of the file"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_and_a_type_cannot_carry_another_header() {
        assert_eq!(path("/api/v1/me").unwrap(), "/me");
        assert_eq!(path("/networks/a/apns?limit=2").unwrap(), "/networks/a/apns?limit=2");
        for wrong in ["me", "", "/a b", "/a\r\nx: y", "https://elsewhere/me", "/\u{e9}"] {
            assert!(path(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(form(None, "PATCH").unwrap(), "application/merge-patch+json");
        assert_eq!(form(Some("text/csv"), "POST").unwrap(), "text/csv");
        for wrong in ["csv", "a/b\r\nx: y"] {
            assert!(form(Some(wrong), "POST").is_err(), "{wrong:?}");
        }
    }
}
