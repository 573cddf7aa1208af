//! Replicas of the orchestrator over one PostgreSQL, as processes.
#![allow(dead_code, reason = "each test file uses its part")]

use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A replica as a process, on ports that stay.
pub struct Replica {
    process: Child,
    command: Vec<String>,
    /// Of the REST interface, and for gateways.
    pub address: String,
    pub gateways: String,
}

impl Replica {
    pub fn new(folder: &Path, database: &str) -> (Self, impl Iterator<Item = String> + use<>) {
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let (address, gateways) = (free(), free());
        let words = ["--listen", &address, "--gateway-listen", &gateways, "--database", database, "--data-dir"];
        let mut command: Vec<String> = words.into_iter().map(str::to_owned).collect();
        command.push(folder.display().to_string());
        let (process, lines) = launch(&command);
        (Self { process, command, address, gateways }, lines)
    }

    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// The process stands still: the system keeps its connections, it answers on none.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.process.id().to_string()]).status().unwrap();
        assert!(sent.success(), "kill {signal}");
    }

    pub fn start(&mut self) {
        self.process = launch(&self.command).0;
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        // It is gone already when this fails.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The process, when it serves, and what it says then.
fn launch(command: &[String]) -> (Child, impl Iterator<Item = String> + use<>) {
    let mut start = Command::new(env!("CARGO_BIN_EXE_orchestratord"));
    let mut process = start.args(command).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
    lines.next().expect("it does not start");
    (process, lines)
}

pub async fn ask(address: &str, request: &str, token: &str, body: &Value) -> std::io::Result<(u16, Value)> {
    let mut stream = TcpStream::connect(address).await?;
    let body = body.to_string();
    let who = if token.is_empty() { String::new() } else { format!("authorization: Bearer {token}\r\n") };
    let head = format!(
        "{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
         {who}content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let status = answer.get(9..12).and_then(|text| text.parse().ok()).ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status, serde_json::from_str(body).unwrap_or(Value::Null)))
}

pub async fn made(address: &str, request: &str, token: &str, body: Value) -> Value {
    let (status, answer) = ask(address, request, token, &body).await.unwrap();
    assert!((200..300).contains(&status), "{request}: {status} {answer}");
    answer
}

/// Two that serve network `lab` with the tier `stable`, and a session's token.
pub async fn pair(folder: &Path, database: &str) -> (Replica, Replica, String) {
    let (mut all, token) = several(folder, &[database.to_owned(), database.to_owned()]).await;
    let other = all.pop().unwrap();
    (all.pop().unwrap(), other, token)
}

/// As many as there are ways to their database.
pub async fn several(folder: &Path, ways: &[String]) -> (Vec<Replica>, String) {
    let home = |number: usize| folder.join(number.to_string());
    let (one, mut lines) = Replica::new(&home(0), &ways[0]);
    let setup = lines.next().unwrap().split_once('#').unwrap().1.trim().to_owned();
    let root = json!({"token": setup, "name": "root", "password": "correct horse battery"});
    made(&one.address, "POST /api/v1/setup", "", root).await;
    let login = json!({"name": "root", "password": "correct horse battery"});
    let token = made(&one.address, "POST /api/v1/sessions", "", login).await["token"].as_str().unwrap().to_owned();
    let mut all = vec![one];
    for (number, way) in ways.iter().enumerate().skip(1) {
        // What replicas share besides the database: the key that opens what is sealed in it.
        std::fs::create_dir(home(number)).unwrap();
        std::fs::copy(home(0).join("sealing.key"), home(number).join("sealing.key")).unwrap();
        all.push(Replica::new(&home(number), way).0);
    }
    let (first, last) = (&all[0].address, &all[all.len() - 1].address);
    made(last, "PUT /api/v1/tenants/acme", &token, json!({})).await;
    made(first, "PUT /api/v1/networks/lab", &token, json!({"tenant": "acme"})).await;
    made(last, "PUT /api/v1/networks/lab/tiers/stable", &token, json!({})).await;
    (all, token)
}
