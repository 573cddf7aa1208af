//! The way to an orchestrator: its REST interface, over TLS, or over plain HTTP on this machine.

use crate::error::{Error, Result};
use crate::transport::{Io, Transport};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

const PATIENCE: Duration = Duration::from_secs(30);
/// Octets of an answer.
const ANSWER: u64 = 16 << 20;

/// Entries of a page.
const PAGE: u32 = 250;

/// What is asked.
pub(crate) struct Request<'a> {
    method: &'a str,
    path: &'a str,
    /// Content type of the body.
    pub(crate) form: &'a str,
    pub(crate) body: Option<Vec<u8>>,
    /// Only if the object still has this revision.
    pub(crate) if_match: Option<u64>,
    /// The answer goes on until somebody ends it.
    lasting: bool,
}

impl<'a> Request<'a> {
    /// Without body and conditions.
    pub(crate) fn new(method: &'a str, path: &'a str) -> Self {
        Self { method, path, form: "application/json", body: None, if_match: None, lasting: false }
    }

    pub(crate) const fn method(&self) -> &str {
        self.method
    }

    pub(crate) const fn path(&self) -> &str {
        self.path
    }
}

/// Where an orchestrator is, and who asks it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Access<'a> {
    /// `https://HOST:PORT`, or `http://` on this machine.
    pub(crate) url: &'a str,
    /// API key or session.
    pub(crate) key: Option<&'a str>,
    /// File of the authorities that count.
    pub(crate) authorities: Option<&'a Path>,
}

/// An orchestrator and the right to use it.
pub(crate) struct Rest {
    transport: Transport,
    /// The line of the request's head that says who asks; whoever logs in says nothing.
    authorization: String,
}

impl Rest {
    /// With a key.
    ///
    /// # Errors
    /// Address or key cannot be one.
    pub(crate) fn new(access: Access<'_>) -> Result<Self> {
        let usable = |key: &&str| !key.is_empty() && key.bytes().all(|b| b.is_ascii_graphic());
        let key = access.key.filter(usable).ok_or_else(|| {
            Error::usage(
                "the orchestrator wants to know who asks",
                "make an API key (POST /api/v1/api-keys) and give it by BASALT_API_KEY, or log in: \
                 basalt context add NAME --orchestrator URL --user NAME",
            )
        });
        let nobody = Self::nobody(access)?;
        Ok(Self { authorization: format!("authorization: Bearer {}\r\n", key?), ..nobody })
    }

    /// The same for somebody who has no key yet.
    fn nobody(access: Access<'_>) -> Result<Self> {
        Ok(Self { transport: Transport::new(access.url, access.authorities)?, authorization: String::new() })
    }

    /// One request; the answer's document.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        self.send(&Request { body: body.map(|body| body.to_string().into_bytes()), ..Request::new(method, path) }).await
    }

    /// One request, in full.
    pub(crate) async fn send(&self, request: &Request<'_>) -> Result<Value> {
        let answer = tokio::time::timeout(PATIENCE, self.exchange(request)).await;
        let answer = answer.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
        let answer = answer.map_err(|error| self.unreachable(&error))?;
        let (status, document) = read(&answer).ok_or_else(|| self.stranger())?;
        match status {
            200..=299 => Ok(document),
            _ => Err(refusal(status, &document)),
        }
    }

    /// One request; the octets of its answer, which need not be a document.
    pub(crate) async fn raw(&self, request: &Request<'_>) -> Result<Vec<u8>> {
        let answer = tokio::time::timeout(PATIENCE, self.exchange(request)).await;
        let answer = answer.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
        let answer = answer.map_err(|error| self.unreachable(&error))?;
        let end = answer.windows(4).position(|part| part == b"\r\n\r\n").ok_or_else(|| self.stranger())?;
        if answer.starts_with(b"HTTP/1.1 2") {
            return Ok(answer.get(end + 4..).unwrap_or_default().to_vec());
        }
        let (status, document) = read(&answer).ok_or_else(|| self.stranger())?;
        Err(refusal(status, &document))
    }

    /// All entries of a list, page by page.
    pub(crate) async fn list(&self, path: &str) -> Result<Vec<Value>> {
        let mut entries = Vec::new();
        let mut cursor = String::new();
        loop {
            let mut page = self.ask("GET", &format!("{path}?limit={PAGE}{cursor}"), None).await?;
            if let Some(Value::Array(items)) = page.get_mut("items").map(Value::take) {
                entries.extend(items);
            }
            match page.get("next_cursor").and_then(Value::as_str) {
                Some(next) if next.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~=%:".contains(&b)) => {
                    cursor = format!("&cursor={next}");
                }
                Some(_) => return Err(self.stranger()),
                None => return Ok(entries),
            }
        }
    }

    /// Follows a stream of server-sent events: what each says, until the stream ends or the callback fails.
    pub(crate) async fn follow(&self, path: &str, mut tell: impl FnMut(&str, &Value) -> Result<()>) -> Result<()> {
        let mut stream = self.open(&Request { lasting: true, ..Request::new("GET", path) }).await;
        let stream = stream.as_mut().map_err(|error| self.unreachable(error))?;
        let mut lines = BufReader::new(stream.take(u64::MAX)).lines();
        let mut head = String::new();
        while let Some(line) =
            lines.next_line().await.map_err(|error| self.unreachable(&error))?.filter(|l| !l.is_empty())
        {
            head += &line;
            head += "\r\n";
        }
        let status =
            head.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok()).ok_or_else(|| self.stranger())?;
        if status != 200 {
            let body = lines.next_line().await.ok().flatten().unwrap_or_default();
            return Err(refusal(status, &serde_json::from_str(&body).unwrap_or_default()));
        }
        let mut event = String::new();
        while let Some(line) = lines.next_line().await.map_err(|error| self.unreachable(&error))? {
            if let Some(name) = line.strip_prefix("event:") {
                name.trim().clone_into(&mut event);
            } else if let Some(data) = line.strip_prefix("data:") {
                tell(&event, &serde_json::from_str(data.trim()).unwrap_or_default())?;
            }
        }
        Ok(())
    }

    fn unreachable(&self, error: &std::io::Error) -> Error {
        Error::Unreachable {
            what: format!("no orchestrator answers at {}: {error}", self.transport.address),
            fix: "start orchestratord, or give its address by --orchestrator or BASALT_ORCHESTRATOR".to_owned(),
        }
    }

    fn stranger(&self) -> Error {
        Error::Refused {
            code: "internal",
            what: format!("what answers at {} is no orchestrator", self.transport.address),
            fix: "give the address of its REST interface by --orchestrator".to_owned(),
        }
    }

    async fn open(&self, request: &Request<'_>) -> std::io::Result<Box<dyn Io>> {
        let mut stream = self.transport.open().await?;
        let Request { method, path, form, body, if_match, lasting } = request;
        // An answer to HTTP/1.0 is not cut into chunks.
        let version = if *lasting { "1.0" } else { "1.1" };
        let body = body.as_deref().unwrap_or_default();
        let (host, authorization, length) = (&self.transport.address, &self.authorization, body.len());
        let condition = if_match.map(|revision| format!("if-match: \"{revision}\"\r\n")).unwrap_or_default();
        let text = format!(
            "{method} /api/v1{path} HTTP/{version}\r\nhost: {host}\r\n{authorization}connection: close\r\n\
             content-type: {form}\r\n{condition}content-length: {length}\r\n\r\n"
        );
        stream.write_all(text.as_bytes()).await?;
        stream.write_all(body).await?;
        stream.flush().await?;
        Ok(stream)
    }

    async fn exchange(&self, request: &Request<'_>) -> std::io::Result<Vec<u8>> {
        let stream = self.open(request).await?;
        let mut answer = Vec::new();
        match stream.take(ANSWER).read_to_end(&mut answer).await {
            // The orchestrator tells the length of its answers: TLS's farewell need not come.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof && !answer.is_empty() => Ok(answer),
            read => read.map(|_| answer),
        }
    }
}

/// Logs in with a password; the session's token.
///
/// # Errors
/// As of any request; a wrong name or password.
pub(crate) async fn log_in(access: Access<'_>, name: &str, password: &str) -> Result<String> {
    let rest = Rest::nobody(access)?;
    let body = serde_json::json!({ "name": name, "password": password });
    let session = rest.ask("POST", "/sessions", Some(&body)).await?;
    session.get("token").and_then(Value::as_str).map(str::to_owned).ok_or_else(|| rest.stranger())
}

/// Status and document of an answer. The orchestrator tells the length of its answers, and the connection ends with them.
fn read(answer: &[u8]) -> Option<(u16, Value)> {
    let end = answer.windows(4).position(|part| part == b"\r\n\r\n")?;
    let head = core::str::from_utf8(answer.get(..end)?).ok()?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let body = answer.get(end + 4..)?;
    let document = if body.is_empty() { Value::Null } else { serde_json::from_slice(body).ok()? };
    Some((status, document))
}

fn refusal(status: u16, document: &Value) -> Error {
    let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut what = text(document, "detail");
    for error in document.get("errors").and_then(Value::as_array).into_iter().flatten() {
        let (path, wrong, allowed) = (text(error, "path"), text(error, "what"), text(error, "allowed"));
        what.push_str(&format!("\n  {path} {wrong}: {allowed}"));
    }
    for row in document.get("rows").and_then(Value::as_array).into_iter().flatten() {
        for error in row.get("errors").and_then(Value::as_array).into_iter().flatten() {
            let line = row.get("line").and_then(Value::as_u64).unwrap_or_default();
            let (path, wrong, allowed) = (text(error, "path"), text(error, "what"), text(error, "allowed"));
            what.push_str(&format!("\n  object {line}: {path} {wrong}: {allowed}"));
        }
    }
    let (code, fix) = match status {
        401 => ("unauthenticated", "give a valid API key by BASALT_API_KEY"),
        403 => ("permission_denied", "use a key of somebody who may"),
        404 => ("not_found", "look at the name of the network, and whether you may see it"),
        412 => ("aborted", "somebody changed it meanwhile: look at it again, then decide"),
        409 => ("failed_precondition", ""),
        429 | 503 => ("unavailable", "try again in a moment"),
        _ => ("invalid_argument", ""),
    };
    Error::Refused { code, what, fix: fix.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_and_a_key_are_checked_before_they_are_used() {
        let access = |url, key| Access { url, key, authorities: None };
        assert!(Rest::new(access("http://127.0.0.1:8480/", Some("bst_1"))).is_ok());
        for url in ["h:1", "http://h", "http://h:x", "http://h:1/api"] {
            assert!(Rest::new(access(url, Some("bst_1"))).is_err(), "{url}");
        }
        for key in [None, Some(""), Some("a\r\nb: c")] {
            assert!(Rest::new(access("http://h:1", key)).is_err());
        }
    }

    #[test]
    fn answers_are_read_and_refusals_told_with_their_fields() {
        let (status, body) = read(b"HTTP/1.1 201 Created\r\na: b\r\n\r\n{\"x\":1}").unwrap();
        assert_eq!((status, body["x"].as_u64()), (201, Some(1)));
        assert!(read(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().1.is_null());
        for nonsense in [b"".as_slice(), b"SSH-2.0", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\n\r\n<html>"] {
            assert!(read(nonsense).is_none());
        }
        let problem = serde_json::json!({"detail": "1 field(s) are wrong",
            "errors": [{"path": "/tier", "what": "does not exist", "allowed": "a name"}]});
        assert!(refusal(422, &problem).to_string().contains("/tier does not exist: a name"));
        assert_eq!(refusal(404, &Value::Null).exit_code(), 1);
    }
}
