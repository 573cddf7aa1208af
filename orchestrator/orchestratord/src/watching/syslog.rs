//! Events of all networks to a log server: syslog (RFC 5424) over UDP (RFC 5426) or TCP with counted octets (RFC 6587 §3.4.1).

use anyhow::{Context, Result};
use orchestrator_db::{GatewayEvent, Repository};
use orchestrator_telemetry::message::rfc3339;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UdpSocket};

/// Between two looks, and after a failure.
const LOOK: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_secs(5);
/// For one connection or one write.
const PATIENCE: Duration = Duration::from_secs(10);
/// Events of a look.
const EVENTS: u32 = 500;
/// Octets of a message: what fits a datagram everywhere (RFC 5426 §3.2).
const MESSAGE: usize = 2048;

/// How messages are carried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Transport {
    #[default]
    Udp,
    Tcp,
}

/// The log server in the file of settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SyslogFile {
    /// `HOST:PORT`.
    pub(crate) server: String,
    #[serde(default)]
    pub(crate) transport: Transport,
}

/// Sends what happens from now on, until dropped, while this replica is the one that acts.
pub(crate) async fn run(db: Arc<dyn Repository>, file: SyslogFile) {
    let mut mark: Option<i64> = None;
    loop {
        match look(db.as_ref(), &file, mark).await {
            Ok(next) => {
                mark = next;
                tokio::time::sleep(LOOK).await;
            }
            Err(error) => {
                tracing::warn!(%error, "the log server cannot be told now");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Sends what is new; the last number that was sent, `None` where another replica sends.
async fn look(db: &dyn Repository, file: &SyslogFile, mark: Option<i64>) -> Result<Option<i64>> {
    if !db.leads().await? {
        return Ok(None);
    }
    let Some(mark) = mark else { return Ok(Some(db.last_event().await?)) };
    let events = db.events_everywhere(mark, EVENTS).await?;
    if !events.is_empty() {
        let messages: Vec<Vec<u8>> = events.iter().map(|(network, event)| message(network, event)).collect();
        tokio::time::timeout(PATIENCE, send(file, &messages)).await.context("it does not take them")??;
    }
    Ok(Some(events.last().map_or(mark, |(_, event)| event.id)))
}

async fn send(file: &SyslogFile, messages: &[Vec<u8>]) -> Result<()> {
    match file.transport {
        Transport::Udp => {
            let server = tokio::net::lookup_host(&file.server).await?.next().context("the name has no address")?;
            let socket = UdpSocket::bind(if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }).await?;
            for message in messages {
                socket.send_to(message, server).await?;
            }
        }
        Transport::Tcp => {
            let mut stream = TcpStream::connect(&file.server).await?;
            for message in messages {
                stream.write_all(format!("{} ", message.len()).as_bytes()).await?;
                stream.write_all(message).await?;
            }
            stream.shutdown().await?;
        }
    }
    Ok(())
}

/// One event (RFC 5424 §6). Facility local0; alarms are warnings, the rest is notice.
fn message(network: &str, event: &GatewayEvent) -> Vec<u8> {
    let priority = 16 * 8 + if event.alarm { 4 } else { 5 };
    let name = |text: &str, most: usize| {
        let kept: String = text.chars().filter(char::is_ascii_graphic).take(most).collect();
        if kept.is_empty() { "-".to_owned() } else { kept }
    };
    let value = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace(']', "\\]");
    let mut line = format!(
        "<{priority}>1 {} {} basalt - {} [basalt@32473 network=\"{}\" gateway=\"{}\" id=\"{}\" imsi=\"{}\"] \u{feff}{}",
        rfc3339(event.at),
        name(&event.gateway, 255),
        name(&event.kind, 32),
        value(network),
        value(&event.gateway),
        event.id,
        value(&event.imsi),
        event.words.replace(['\r', '\n'], " "),
    );
    let mut end = line.len().min(MESSAGE);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    line.truncate(end);
    line.into_bytes()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    fn event(words: &str) -> GatewayEvent {
        GatewayEvent {
            id: 7,
            gateway: "g 1".to_owned(),
            epoch: 1,
            number: 1,
            at: 1_709_164_800_123,
            kind: "security".to_owned(),
            alarm: true,
            imsi: "00101\"]".to_owned(),
            words: words.to_owned(),
            facts: "{}".to_owned(),
        }
    }

    #[test]
    fn a_message_is_one_line_of_its_form() {
        let text = String::from_utf8(message("lab", &event("a\nb"))).unwrap();
        let wanted = "<132>1 2024-02-29T00:00:00.123Z g1 basalt - security \
            [basalt@32473 network=\"lab\" gateway=\"g 1\" id=\"7\" imsi=\"00101\\\"\\]\"] \u{feff}a b";
        assert_eq!(text, wanted);
        let long = message("lab", &event(&"ä".repeat(4000)));
        assert!(long.len() <= MESSAGE && String::from_utf8(long).is_ok());
    }

    #[tokio::test]
    async fn messages_go_by_datagram_and_counted() {
        let messages = [message("lab", &event("one")), message("lab", &event("two"))];
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let server = udp.local_addr().unwrap().to_string();
        send(&SyslogFile { server, transport: Transport::Udp }, &messages).await.unwrap();
        let mut octets = [0; 4096];
        for message in &messages {
            let count = udp.recv(&mut octets).await.unwrap();
            assert_eq!(&octets[..count], &message[..]);
        }
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let file = SyslogFile { server: tcp.local_addr().unwrap().to_string(), transport: Transport::Tcp };
        let taken = async {
            let (mut stream, _) = tcp.accept().await.unwrap();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            all
        };
        let (sent, taken) = tokio::join!(send(&file, &messages), taken);
        sent.unwrap();
        let counted = messages.iter().flat_map(|it| [format!("{} ", it.len()).into_bytes(), it.clone()].concat());
        assert_eq!(taken, counted.collect::<Vec<_>>());
    }
}
