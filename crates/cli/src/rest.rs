//! The way to an orchestrator: its REST interface, over plain HTTP on this machine. From elsewhere it is reached through whatever
//! carries TLS there (`ssh -L`, a proxy).

use crate::error::{Error, Result};
use serde_json::Value;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(30);
/// Octets of an answer.
const ANSWER: u64 = 16 << 20;

/// An orchestrator and the right to use it.
pub(crate) struct Rest {
    address: String,
    key: String,
}

impl Rest {
    /// Reads `http://HOST:PORT`.
    pub(crate) fn new(url: &str, key: Option<String>) -> Result<Self> {
        let wrong = || {
            Error::usage(
                format!("`{}` is not the address of an orchestrator", url.escape_debug()),
                "it is http://HOST:PORT, such as http://127.0.0.1:8480",
            )
        };
        let address = url.trim_end_matches('/').strip_prefix("http://").ok_or_else(wrong)?;
        if address.contains('/') || address.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
            return Err(wrong());
        }
        let key = key.filter(|key| !key.is_empty() && key.bytes().all(|b| b.is_ascii_graphic())).ok_or_else(|| {
            Error::usage(
                "the orchestrator wants to know who asks",
                "make an API key (POST /api/v1/api-keys) and give it by BASALT_API_KEY",
            )
        })?;
        Ok(Self { address: address.to_owned(), key })
    }

    /// One request; the answer's document.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let answer = tokio::time::timeout(PATIENCE, self.exchange(method, path, body)).await;
        let answer = answer.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
        let answer = answer.map_err(|error| Error::Unreachable {
            what: format!("no orchestrator answers at {}: {error}", self.address),
            fix: "start orchestratord, or give its address by --orchestrator or BASALT_ORCHESTRATOR".to_owned(),
        })?;
        let (status, document) = read(&answer).ok_or_else(|| Error::Refused {
            code: "internal",
            what: format!("what answers at {} is no orchestrator", self.address),
            fix: "give the address of its REST interface by --orchestrator".to_owned(),
        })?;
        match status {
            200..=299 => Ok(document),
            _ => Err(refusal(status, &document)),
        }
    }

    async fn exchange(&self, method: &str, path: &str, body: Option<&Value>) -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(&self.address).await?;
        let body = body.map(Value::to_string).unwrap_or_default();
        let (host, key, length) = (&self.address, &self.key, body.len());
        let request = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(ANSWER).read_to_end(&mut answer).await?;
        Ok(answer)
    }
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
    let (code, fix) = match status {
        401 => ("unauthenticated", "give a valid API key by BASALT_API_KEY"),
        403 => ("permission_denied", "use a key of somebody who may"),
        404 => ("not_found", "look at the name of the network, and whether you may see it"),
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
        let key = || Some("bst_1".to_owned());
        assert!(Rest::new("http://127.0.0.1:8480/", key()).is_ok());
        for url in ["https://h:1", "h:1", "http://h", "http://h:x", "http://h:1/api"] {
            assert!(Rest::new(url, key()).is_err(), "{url}");
        }
        for key in [None, Some(String::new()), Some("a\r\nb: c".to_owned())] {
            assert!(Rest::new("http://h:1", key).is_err());
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
