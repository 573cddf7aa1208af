//! The daemon as a newcomer starts it: without configuration, on a free port.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

struct Daemon {
    process: Child,
    out: BufReader<ChildStdout>,
    address: String,
}

impl Daemon {
    fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[])
    }

    fn start_with(folder: &Path, more: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orchestratord"));
        command
            .args(["--listen", "127.0.0.1:0", "--gateway-listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder)
            .args(more);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut out = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let address = line.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap().to_owned();
        Self { process, out, address }
    }

    fn setup_token(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line.trim().split('#').nth(1).unwrap().to_owned()
    }

    fn ask(&self, request: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        write!(stream, "{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn stop(mut self) {
        let stopped = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status().unwrap();
        assert!(stopped.success());
        assert!(self.process.wait().unwrap().success());
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "nothing more was said");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn it_starts_with_nothing_makes_what_it_needs_and_stops() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut daemon = Daemon::start(&data);
    let first = daemon.setup_token();
    daemon.stop();
    // Not set up yet: a new link, and the former one is void.
    let mut daemon = Daemon::start(&data);
    let token = daemon.setup_token();
    let setup = |token: &str| format!(r#"{{"token":"{token}","name":"root","password":"correct horse battery"}}"#);
    assert!(daemon.ask("POST /api/v1/setup", &setup(&first)).starts_with("HTTP/1.1 403"));
    assert!(daemon.ask("POST /api/v1/setup", &setup(&token)).starts_with("HTTP/1.1 201"));
    assert!(daemon.ask("GET /api/v1/networks", "").starts_with("HTTP/1.1 401"));
    assert!(daemon.ask("GET /api/v1/openapi.json", "").contains("\"openapi\":\"3.1.0\""));
    let page = daemon.ask("GET /setup", "");
    assert!(page.contains("<html") && page.contains("content-security-policy: default-src 'none'"), "{page}");
    assert!(daemon.ask("GET /api/v1/nowhere", "").contains("application/problem+json"));
    assert!(daemon.ask("GET /metrics", "").contains("basalt_orchestrator_answers_total{class=\"4xx\"} 3"));
    daemon.stop();
    // Set up: no link any more, and the user is there.
    let daemon = Daemon::start(&data);
    let login = r#"{"name":"root","password":"correct horse battery"}"#;
    assert!(daemon.ask("POST /api/v1/sessions", login).starts_with("HTTP/1.1 201"));
    daemon.stop();
    let mode = |name: &str| std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(data.join(name)).unwrap()) & 0o777;
    assert_eq!((mode(""), mode("sealing.key")), (0o700, 0o600));
}

#[test]
fn who_is_slow_to_say_what_he_wants_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(&folder.path().join("data"));
    daemon.setup_token();
    let mut slow: Vec<TcpStream> = (0..64).map(|_| TcpStream::connect(&daemon.address).unwrap()).collect();
    for (number, stream) in slow.iter_mut().enumerate() {
        // Nothing at all, a part of a head, and a head that never ends.
        let said = ["", "GET /api/v1/me HTTP/1.1\r\nho", "GET / HTTP/1.1\r\nhost: x\r\nx-a: b\r\n"][number % 3];
        stream.write_all(said.as_bytes()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    }
    assert!(daemon.ask("GET /api/v1/openapi.json", "").contains("\"openapi\":\"3.1.0\""), "others are served");
    for mut stream in slow {
        let mut rest = Vec::new();
        // Closed by the other side: with a word or by a reset, not by our own patience.
        if let Err(error) = stream.read_to_end(&mut rest) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        }
    }
    let long = format!("GET /api/v1/me HTTP/1.1\r\nx-long: {}\r\n\r\n", "a".repeat(1 << 20));
    let mut stream = TcpStream::connect(&daemon.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // The daemon may close before all was written.
    let _ = stream.write_all(long.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
    daemon.stop();
}

/// A request over TLS: the answer, and the certificate that was shown.
fn ask_by_tls(address: &str, trusted: &Path, request: &str) -> Option<(String, Vec<u8>)> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(trusted).unwrap()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let connection = rustls::ClientConnection::new(config.into(), "localhost".try_into().unwrap()).unwrap();
    let mut stream = rustls::StreamOwned::new(connection, TcpStream::connect(address).unwrap());
    write!(stream, "{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    // A close without TLS's farewell is no matter here.
    let _ = stream.read_to_string(&mut answer);
    let shown = stream.conn.peer_certificates()?.first()?.to_vec();
    (!answer.is_empty()).then_some((answer, shown))
}

#[test]
fn it_speaks_tls_and_takes_a_new_certificate_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut daemon = Daemon::start_with(&data, &["--tls"]);
    daemon.setup_token();
    let (chain, key) = (data.join("rest.pem"), data.join("rest.key"));
    let (answer, first) = ask_by_tls(&daemon.address, &chain, "GET /api/v1/openapi.json").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("strict-transport-security: max-age="), "{answer}");
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&key).unwrap());
    assert_eq!(mode & 0o777, 0o600);
    // Plain HTTP gets nothing.
    let mut plain = TcpStream::connect(&daemon.address).unwrap();
    plain.write_all(b"GET /api/v1/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut rest = Vec::new();
    let _ = plain.read_to_end(&mut rest);
    assert!(!rest.starts_with(b"HTTP/"));
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(&key, other.signing_key.serialize_pem()).unwrap();
    std::fs::write(&chain, other.cert.pem()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match ask_by_tls(&daemon.address, &chain, "GET /api/v1/openapi.json") {
            Some((_, shown)) if shown != first => break,
            _ => assert!(Instant::now() < deadline, "the new certificate is not shown"),
        }
        std::thread::yield_now();
    }
    daemon.stop();
}

#[test]
fn it_tells_its_settings() {
    let output = Command::new(env!("CARGO_BIN_EXE_orchestratord"))
        .args(["--print-config", "--data-dir", "/d"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        text,
        "data_dir = \"/d\"\nlisten = \"127.0.0.1:8480\"\ngateway_listen = \"0.0.0.0:8481\"\ndatabase = \"sqlite:/d/orchestrator.db\"\ndatabase_connections = 16\ngateway_beat = 30\ntls = false\n"
    );
}
