//! The daemon as a newcomer starts it: without configuration, on a free port.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

struct Daemon {
    process: Child,
    out: BufReader<ChildStdout>,
    address: String,
}

impl Daemon {
    fn start(folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orchestratord"));
        command.args(["--listen", "127.0.0.1:0", "--gateway-listen", "127.0.0.1:0", "--data-dir"]).arg(folder);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut out = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).unwrap().to_owned();
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
fn it_tells_its_settings() {
    let output = Command::new(env!("CARGO_BIN_EXE_orchestratord"))
        .args(["--print-config", "--data-dir", "/d"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        text,
        "data_dir = \"/d\"\nlisten = \"127.0.0.1:8480\"\ngateway_listen = \"0.0.0.0:8481\"\ndatabase = \"sqlite:/d/orchestrator.db\"\ndatabase_connections = 16\n"
    );
}
