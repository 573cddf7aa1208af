//! Mail by SMTP (RFC 5321): one message in one conversation, over TLS or, where the settings say so, without.

use super::client::Stream;
use anyhow::{Context, Result, bail, ensure};
use rustls::pki_types::ServerName;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// For all of it.
const PATIENCE: Duration = Duration::from_secs(60);
/// Octets of an answer's line, and lines of an answer.
const LINE: usize = 4096;
const LINES: usize = 64;

/// How mail is protected on its way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Protection {
    /// TLS after STARTTLS (RFC 3207), usually on port 587.
    #[default]
    Starttls,
    /// TLS from the first octet (RFC 8314), usually on port 465.
    Tls,
    /// None: for a server on this machine.
    None,
}

/// The mail server in the file of settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SmtpFile {
    /// `HOST:PORT`.
    pub(crate) server: String,
    /// The sender's address.
    pub(crate) from: String,
    #[serde(default)]
    pub(crate) protection: Protection,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    /// A file with the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) password_file: Option<PathBuf>,
}

/// A mail server.
pub(crate) struct Smtp {
    file: SmtpFile,
    password: Option<String>,
    tls: TlsConnector,
}

type Conversation = BufReader<Box<dyn Stream>>;

impl Smtp {
    /// The server that the settings name.
    ///
    /// # Errors
    /// The password cannot be read, or would be sent in the clear.
    pub(crate) fn new(file: &SmtpFile, tls: TlsConnector) -> Result<Self> {
        ensure!(file.from.contains('@') && !file.from.contains(char::is_control), "[smtp] from is a mail address");
        ensure!(file.server.rsplit_once(':').is_some(), "[smtp] server is HOST:PORT");
        let password = file.password_file.as_ref().map(|path| {
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            Ok::<_, anyhow::Error>(text.trim().to_owned())
        });
        let password = password.transpose()?;
        ensure!(file.user.is_some() == password.is_some(), "[smtp] user and password_file go together");
        ensure!(password.is_none() || file.protection != Protection::None, "[smtp] a password is sent over TLS alone");
        Ok(Self { file: file.clone(), password, tls })
    }

    /// The sender's address.
    pub(crate) fn from(&self) -> &str {
        &self.file.from
    }

    /// Sends a message to one address.
    pub(crate) async fn send(&self, to: &str, mail: &str) -> Result<()> {
        let sent = tokio::time::timeout(PATIENCE, self.converse(to, mail));
        sent.await.context("the mail server did not answer in time")?
    }

    async fn converse(&self, to: &str, mail: &str) -> Result<()> {
        let host = self.file.server.rsplit_once(':').map_or("", |(host, _)| host).trim_matches(['[', ']']);
        let stream = TcpStream::connect(&self.file.server).await.context("cannot connect to the mail server")?;
        let mut server: Conversation = match self.file.protection {
            Protection::Tls => BufReader::new(Box::new(self.secure(host, stream).await?)),
            Protection::Starttls => {
                let mut plain = BufReader::new(Box::new(stream) as Box<dyn Stream>);
                expect(&mut plain, 220).await?;
                ask(&mut plain, "EHLO localhost", 250).await?;
                ask(&mut plain, "STARTTLS", 220).await?;
                // What came before TLS counts no more (RFC 3207 §4.2).
                ensure!(plain.buffer().is_empty(), "the mail server spoke before TLS");
                let mut secured: Conversation = BufReader::new(Box::new(self.secure(host, plain.into_inner()).await?));
                ask(&mut secured, "EHLO localhost", 250).await?;
                secured
            }
            Protection::None => BufReader::new(Box::new(stream)),
        };
        if self.file.protection != Protection::Starttls {
            expect(&mut server, 220).await?;
            ask(&mut server, "EHLO localhost", 250).await?;
        }
        if let (Some(user), Some(password)) = (&self.file.user, &self.password) {
            // RFC 4616: no other identity, name, password.
            let words = orchestrator_api::base64(format!("\0{user}\0{password}").as_bytes());
            ask(&mut server, &format!("AUTH PLAIN {words}"), 235).await.context("the mail server refuses the login")?;
        }
        let from =
            self.file.from.rsplit_once('<').map_or(self.file.from.as_str(), |(_, rest)| rest.trim_end_matches('>'));
        ask(&mut server, &format!("MAIL FROM:<{from}>"), 250).await?;
        ask(&mut server, &format!("RCPT TO:<{to}>"), 250).await?;
        ask(&mut server, "DATA", 354).await?;
        server.get_mut().write_all(stuffed(mail).as_bytes()).await?;
        ask(&mut server, ".", 250).await?;
        // It was taken; whether it says goodbye does not matter.
        let _ = ask(&mut server, "QUIT", 221).await;
        Ok(())
    }

    async fn secure<S: Stream>(&self, host: &str, stream: S) -> Result<tokio_rustls::client::TlsStream<S>> {
        let name = ServerName::try_from(host.to_owned()).context("no name of a server")?;
        self.tls.connect(name, stream).await.context("TLS with the mail server")
    }
}

/// A line that begins with a dot gets another one (RFC 5321 §4.5.2); the text ends with a line's end.
fn stuffed(mail: &str) -> String {
    let lines = mail
        .split_terminator("\r\n")
        .map(|line| if line.starts_with('.') { format!(".{line}\r\n") } else { format!("{line}\r\n") });
    lines.collect()
}

async fn ask(server: &mut Conversation, words: &str, wanted: u16) -> Result<()> {
    ensure!(!words.contains(['\r', '\n']), "an address has more than one line");
    server.get_mut().write_all(format!("{words}\r\n").as_bytes()).await?;
    server.get_mut().flush().await?;
    expect(server, wanted).await
}

async fn expect(server: &mut Conversation, wanted: u16) -> Result<()> {
    for _ in 0..LINES {
        let mut line = Vec::new();
        let mut limited = tokio::io::AsyncReadExt::take(&mut *server, LINE as u64);
        limited.read_until(b'\n', &mut line).await?;
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        ensure!(!text.is_empty(), "the mail server ended the conversation");
        let code: u16 = text.get(..3).and_then(|code| code.parse().ok()).context("that is no mail server")?;
        if text.as_bytes().get(3) != Some(&b'-') {
            ensure!(code == wanted, "the mail server said: {}", text.chars().take(200).collect::<String>());
            return Ok(());
        }
    }
    bail!("the mail server talks without end")
}

/// The way to a mail server over TLS, with the authorities of this machine.
pub(crate) fn connector(client: &super::Client) -> TlsConnector {
    TlsConnector::from(Arc::clone(client.tls().config()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_alone_does_not_end_a_mail() {
        assert_eq!(stuffed("a\r\n.\r\n..b\r\n\r\nc"), "a\r\n..\r\n...b\r\n\r\nc\r\n");
    }
}
