//! What an operator does with copies and the sealing key, with the program that he has.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

const K: &str = "465b5ce8b199b49faa5f0a2ee238a6bc";
const OPC: &str = "cd63cb71954a9f4e48a5994e37a02baf";

struct Daemon {
    process: Child,
    address: String,
    setup: Option<String>,
}

impl Daemon {
    fn start(data: &Path, first: bool) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orchestratord"));
        command.args(["--listen", "127.0.0.1:0", "--gateway-listen", "127.0.0.1:0", "--data-dir"]).arg(data);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
        let line = lines.next().expect("it does not start");
        let address = line.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap().to_owned();
        let setup = first.then(|| lines.next().unwrap().trim().split('#').nth(1).unwrap().to_owned());
        Self { process, address, setup }
    }

    fn ask(&self, request: &str, token: &str, body: &Value) -> (u16, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let body = body.to_string();
        let who = if token.is_empty() { String::new() } else { format!("authorization: Bearer {token}\r\n") };
        let length = body.len();
        write!(
            stream,
            "{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{who}content-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let at = answer.windows(4).position(|part| part == b"\r\n\r\n").unwrap();
        let status = std::str::from_utf8(&answer[9..12]).unwrap().parse().unwrap();
        (status, answer.split_off(at + 4))
    }

    fn made(&self, request: &str, token: &str, body: &Value) -> Value {
        let (status, answer) = self.ask(request, token, body);
        assert!((200..300).contains(&status), "{request}: {status} {}", String::from_utf8_lossy(&answer));
        serde_json::from_slice(&answer).unwrap_or(Value::Null)
    }

    fn login(&self) -> String {
        let login = json!({"name": "root", "password": "correct horse battery"});
        self.made("POST /api/v1/sessions", "", &login)["token"].as_str().unwrap().to_owned()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn program(data: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orchestratord"));
    command.args(words).arg("--data-dir").arg(data).output().unwrap()
}

fn done(data: &Path, words: &[&str]) -> String {
    let output = program(data, words);
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{words:?}: {said}");
    said
}

fn refused(data: &Path, words: &[&str]) -> String {
    let output = program(data, words);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{words:?} was done: {said}");
    said
}

/// The body of an answer in pieces (RFC 9112 §7.1).
fn joined(mut body: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let end = body.windows(2).position(|part| part == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return all;
        }
        all.extend_from_slice(&body[end + 2..end + 2 + size]);
        body = &body[end + 4 + size..];
    }
}

#[test]
fn an_orchestrator_comes_back_from_its_copy_with_another_sealing_key() {
    let folder = tempfile::tempdir().unwrap();
    let (data, other) = (folder.path().join("data"), folder.path().join("other"));
    let path = |name: &str| folder.path().join(name).display().to_string();
    let said = done(&data, &["backup", "keygen", "--output", &path("key")]);
    let recipient = said.lines().find_map(|line| line.strip_prefix("recipient: ")).unwrap().to_owned();
    let daemon = Daemon::start(&data, true);
    let setup = json!({"token": daemon.setup, "name": "root", "password": "correct horse battery"});
    daemon.made("POST /api/v1/setup", "", &setup);
    let token = daemon.login();
    daemon.made("PUT /api/v1/tenants/t", &token, &json!({}));
    daemon.made("PUT /api/v1/networks/n", &token, &json!({"tenant": "t"}));
    let keys = json!({"keys": {"k": K, "opc": OPC}});
    daemon.made("PUT /api/v1/networks/n/subscribers/001010000000001", &token, &keys);

    // While it runs: here with the sealing key, by the interface without it, for an administrator alone.
    done(&data, &["backup", "create", "--to", &path("copy"), "--recipient", &recipient]);
    let wanted = json!({ "recipients": [recipient] });
    assert_eq!(daemon.ask("POST /api/v1/backups", "", &wanted).0, 401);
    assert_eq!(daemon.ask("POST /api/v1/backups", &token, &json!({"recipients": ["age1x"]})).0, 422);
    let (status, body) = daemon.ask("POST /api/v1/backups", &token, &wanted);
    assert_eq!(status, 200);
    std::fs::write(path("remote"), joined(&body)).unwrap();
    let log = String::from_utf8(daemon.ask("GET /api/v1/audit", &token, &Value::Null).1).unwrap();
    assert!(log.contains("/api/v1/backups"), "{log}");
    let key = path("key");
    assert!(done(&data, &["backup", "verify", &path("remote"), "-i", &key]).contains("without the sealing key"));
    let drilled = done(&data, &["backup", "drill", &path("copy"), "-i", &key]);
    assert!(drilled.contains("with the sealing key") && drilled.contains("1 objects' secrets opened"), "{drilled}");
    assert!(refused(&data, &["backup", "verify", &path("copy")]).contains("what opens it"));
    let octets = std::fs::read(path("copy")).unwrap();
    assert!(!octets.windows(K.len()).any(|part| part == K.as_bytes()));

    // Back onto another machine; onto this one only when it does not run.
    assert!(
        refused(&data, &["backup", "restore", &path("copy"), "-i", &key, "--replace"])
            .contains("stop the orchestrator")
    );
    let subscriber = "GET /api/v1/networks/n/subscribers/001010000000001";
    done(&other, &["backup", "restore", &path("copy"), "-i", &key]);
    let second = Daemon::start(&other, false);
    // The session stayed in the past; the person did not.
    assert_eq!(second.ask(subscriber, &token, &Value::Null).0, 401);
    assert_eq!(second.ask(subscriber, &second.login(), &Value::Null).0, 200);
    drop((daemon, second));

    // Another sealing key: what was sealed opens with it, and with the former one no longer.
    let before = std::fs::read(data.join("sealing.key")).unwrap();
    let said = done(&data, &["sealing", "rotate"]);
    assert!(said.contains("sealed anew: 3 values"), "{said}");
    let after = std::fs::read(data.join("sealing.key")).unwrap();
    assert!(before != after && after.len() == 32 && !data.join("sealing.former.key").exists());
    let daemon = Daemon::start(&data, false);
    let token = daemon.login();
    assert_eq!(daemon.ask(subscriber, &token, &Value::Null).0, 200);
    drop(daemon);
    done(&data, &["backup", "create", "--to", &path("later"), "--recipient", &recipient]);
    assert!(done(&data, &["backup", "drill", &path("later"), "-i", &key]).contains("1 objects' secrets opened"));
    // One that was cut off goes on: both keys open until all is sealed anew.
    std::fs::rename(data.join("sealing.key"), data.join("sealing.former.key")).unwrap();
    std::fs::write(data.join("sealing.key"), [9; 32]).unwrap();
    std::fs::set_permissions(data.join("sealing.key"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    assert_eq!(Daemon::start(&data, false).ask("GET /api/v1/login/options", "", &Value::Null).0, 200);
    assert!(refused(&data, &["backup", "create", "--to", &path("x"), "--recipient", &recipient]).contains("exchanged"));
    assert!(done(&data, &["sealing", "rotate"]).contains("sealed anew: 3 values"));
}
