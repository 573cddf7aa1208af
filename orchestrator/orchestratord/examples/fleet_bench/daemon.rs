//! `orchestratord` as a process, and its REST interface.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Lines};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const PASSWORD: &str = "correct horse battery staple";
const PATIENCE: Duration = Duration::from_secs(120);

/// The daemon and somebody who may everything.
pub struct Daemon {
    command: Vec<String>,
    child: Child,
    address: String,
    token: String,
    /// PostgreSQL's.
    database_port: Option<u16>,
    _folder: tempfile::TempDir,
}

impl Daemon {
    /// Starts it over an empty folder.
    pub async fn start(program: PathBuf, database: Option<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let (address, gateways) = (free(), free());
        let port = |address: &String| address.rsplit(':').next()?.split('/').next()?.parse().ok();
        let database_port = database.as_ref().and_then(port);
        let mut command = vec![program.display().to_string(), "--data-dir".into(), folder.path().display().to_string()];
        command.extend(["--listen".into(), address.clone(), "--gateway-listen".into(), gateways]);
        command.extend(database.into_iter().flat_map(|database| ["--database".to_owned(), database]));
        let (child, mut lines) = run(&command);
        let mut daemon = Self { command, child, address, token: String::new(), database_port, _folder: folder };
        let link = lines.find_map(|line| line.ok()?.split_once("/setup#").map(|(_, token)| token.trim().to_owned()));
        let setup = link.expect("a setup link: is the database empty?");
        let root = json!({"token": setup, "name": "root", "password": PASSWORD});
        daemon.ask("POST", "/setup", Some(root.to_string())).await;
        let login = json!({"name": "root", "password": PASSWORD});
        let session = daemon.ask("POST", "/sessions", Some(login.to_string())).await;
        daemon.token = session["token"].as_str().unwrap().to_owned();
        daemon
    }

    /// Kills it with -9, and starts it again.
    pub async fn restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = run(&self.command).0;
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(&self.address).await.is_err() {
            assert!(Instant::now() < until, "it does not start again");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// One request.
    pub async fn ask(&self, method: &str, path: &str, body: Option<String>) -> Value {
        self.send(method, path, "application/json", body.unwrap_or_default()).await
    }

    /// One request with a body of another form.
    pub async fn send(&self, method: &str, path: &str, form: &str, body: String) -> Value {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let who =
            if self.token.is_empty() { String::new() } else { format!("authorization: Bearer {}\r\n", self.token) };
        let head = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nhost: bench\r\n{who}connection: close\r\ncontent-type: {form}\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let text = String::from_utf8(answer).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 2"), "{method} {path}: {head}\n{body}");
        serde_json::from_str(body).unwrap_or_default()
    }

    /// Its resident memory, octets.
    pub fn resident(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
    }

    /// What it has taken of processors since it was started last, seconds.
    pub fn processor_seconds(&self) -> f64 {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // Behind the name, which is in brackets: fields 14 and 15 of proc(5), in hundredths.
        let fields: Vec<&str> = text.rsplit(')').next().unwrap().split_whitespace().collect();
        let hundredths = |at: usize| fields[at].parse::<f64>().unwrap();
        (hundredths(11) + hundredths(12)) / 100.0
    }

    /// Connections to its database: how often it has SQLite's file open, or connections to PostgreSQL's port.
    pub fn connections(&self) -> usize {
        let folder = format!("/proc/{}", self.child.id());
        let entries = std::fs::read_dir(format!("{folder}/fd")).unwrap();
        let targets = entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        let targets: BTreeSet<String> = targets
            .enumerate()
            .filter(|(_, target)| target.to_string_lossy().starts_with("socket:") || is_database(target))
            // Each opening of a file counts, a socket has a name of its own.
            .map(|(number, target)| match is_database(&target) {
                true => format!("file {number}"),
                false => target.to_string_lossy().into_owned(),
            })
            .collect();
        let Some(port) = self.database_port else {
            return targets.iter().filter(|target| target.starts_with("file")).count();
        };
        let table = std::fs::read_to_string(format!("{folder}/net/tcp")).unwrap();
        let to_database = table.lines().skip(1).filter(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            fields[2].ends_with(&format!(":{port:04X}")) && targets.contains(&format!("socket:[{}]", fields[9]))
        });
        to_database.count()
    }
}

fn is_database(target: &Path) -> bool {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".db") || name.ends_with(".sqlite")
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It is gone already when this fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the daemon; its standard output.
fn run(command: &[String]) -> (Child, Lines<BufReader<ChildStdout>>) {
    let [program, args @ ..] = command else { panic!("no program") };
    // As its unit and its images start it.
    let mut command = Command::new(program);
    command.env("MALLOC_ARENA_MAX", "2").args(args);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}
