//! Echo throughput, latency and CPU time per message between two processes.
//!
//!     cargo run --release -p basalt-sctp --example sctp_bench [raw-ip|udp|kernel] [SECONDS]
//!     cargo run --release -p basalt-sctp --example sctp_bench keeper [raw-ip|udp|kernel] [SECONDS]
//!
//! Starts itself as the server, or as the keeper and the daemon behind it, on 127.0.0.1 (raw IP works there too, for root). 200-octet messages on one stream.
//! CPU time is the process's own, user and system, all threads; an echo is two messages per process (one each way).
//! The last line is one flat JSON object of all figures.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use basalt_sctp::keeper::{self, KeeperEvent};
use basalt_sctp::{Backend, Config, Event, Message, SctpAssociation, SctpListener, Threading, ppid};
use tokio::task::LocalSet;

type Outcome<T> = Result<T, Box<dyn Error>>;

const SIZE: usize = 200;
const PORT: u16 = 47_123;
const WINDOWS: [usize; 3] = [1, 16, 256];

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let local = LocalSet::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match arguments[..] {
        ["daemon", socket] => local.block_on(&runtime, daemon(socket.as_ref())),
        ["keep", backend, socket] => {
            report_cpu_time();
            println!("ready");
            let listener = config(backend, "here")?;
            Ok(keeper::run(keeper::ServeConfig::new([listener]), socket.as_ref())?)
        }
        ["keeper", backend] => local.block_on(&runtime, measure_keeper(backend, 3)),
        ["keeper", backend, seconds] => local.block_on(&runtime, measure_keeper(backend, seconds.parse()?)),
        ["serve", backend, threading] => local.block_on(&runtime, serve(config(backend, threading)?)),
        [] => local.block_on(&runtime, measure("udp", 3)),
        [backend] => local.block_on(&runtime, measure(backend, 3)),
        [backend, seconds, ..] => local.block_on(&runtime, measure(backend, seconds.parse()?)),
    }
}

fn config(backend: &str, threading: &str) -> Outcome<Config> {
    Ok(Config {
        backend: match backend {
            "raw-ip" => Backend::RawIp,
            "udp" => Backend::Udp { port: 47_124 },
            "kernel" => Backend::Kernel,
            other => return Err(format!("no back end {other}").into()),
        },
        local: vec![[127, 0, 0, 1].into()],
        port: PORT,
        threading: if threading == "here" { Threading::CallerLocalSet } else { Threading::Own },
        ..Config::default()
    })
}

/// Echoes until its association ends; tells its CPU time when asked on standard input.
async fn serve(config: Config) -> Outcome<()> {
    let mut listener = SctpListener::bind(config).await?;
    println!("ready");
    report_cpu_time();
    let (association, _) = listener.accept().await?;
    let (sender, mut receiver) = association.split();
    let mut events = Vec::new();
    loop {
        receiver.recv_many(&mut events, 256).await;
        for event in events.drain(..) {
            match event {
                Event::Message(message) => sender.send(message).await?,
                Event::Closed(_) => return Ok(()),
                Event::Restarted | Event::PathChange(_) => {}
            }
        }
    }
}

/// Tells this process's CPU time at every line on standard input, and ends with it.
fn report_cpu_time() {
    std::thread::spawn(|| {
        for _ in std::io::stdin().lock().lines() {
            println!("{}", cpu_time().as_nanos());
        }
        std::process::exit(0);
    });
}

/// Echoes what comes through the keeper.
async fn daemon(socket: &Path) -> Outcome<()> {
    report_cpu_time();
    let (mut client, _) = loop {
        match keeper::Client::connect(socket).await {
            Ok(connected) => break connected,
            Err(keeper::Error::Io { .. }) => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(error) => return Err(error.into()),
        }
    };
    println!("ready");
    let mut batch = Vec::new();
    loop {
        client.recv_many(&mut batch, 256).await?;
        for uplink in batch.drain(..) {
            if let KeeperEvent::Message { id, message } = uplink.event {
                client.send(id, message).await?;
            }
            client.ack(uplink.seq);
        }
    }
}

async fn measure_keeper(backend: &str, seconds: u64) -> Outcome<()> {
    println!("back end {backend}, {SIZE} octets, {seconds} s each, through the keeper");
    let dir = std::env::temp_dir().join(format!("sctp-bench-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let socket = dir.join("keeper.sock");
    let path = socket.to_str().ok_or("path")?;
    let mut keeping = Server::start(&["keep", backend, path])?;
    let mut daemon = Server::start(&["daemon", path])?;
    let mut association = connect(backend, "here").await?;
    let mut figures = Figures::default();
    for window in WINDOWS {
        let before = (keeping.cpu_time()?, daemon.cpu_time()?);
        let latencies = echo(&mut association, window, Duration::from_secs(seconds)).await?;
        let after = (keeping.cpu_time()?, daemon.cpu_time()?);
        let spent = [("keeper", after.0.saturating_sub(before.0)), ("daemon", after.1.saturating_sub(before.1))];
        figures.add(Round { name: "keeper", window, seconds, latencies, spent });
    }
    figures.print();
    for mut child in [daemon.child, keeping.child] {
        drop(child.stdin.take());
        child.wait()?;
    }
    std::fs::remove_dir_all(dir)?;
    Ok(())
}

async fn connect(backend: &str, threading: &str) -> Outcome<SctpAssociation> {
    let mut client = config(backend, threading)?;
    client.port = 0;
    client.remote_udp_port = 47_124;
    if let Backend::Udp { port } = &mut client.backend {
        *port = 0;
    }
    let peer = ([127, 0, 0, 1], PORT).into();
    loop {
        match SctpAssociation::connect(client.clone(), &[peer]).await {
            Ok(association) => return Ok(association),
            Err(basalt_sctp::Error::NotEstablished(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// One round of echoes.
struct Round<'a> {
    /// What the round's keys begin with.
    name: &'a str,
    window: usize,
    seconds: u64,
    latencies: Vec<Duration>,
    /// CPU time by process.
    spent: [(&'a str, Duration); 2],
}

/// All figures, by key with the unit in it.
#[derive(Default)]
struct Figures(Vec<(String, f64)>);

impl Figures {
    /// Prints a round for people and keeps its figures.
    fn add(&mut self, round: Round<'_>) {
        let Round { name, window, seconds, mut latencies, spent } = round;
        latencies.sort_unstable();
        let count = latencies.len();
        let at = |share: usize| latencies.get(count * share / 100).copied().unwrap_or_default();
        let rate = count as u64 / seconds;
        print!("window {window:3}: {rate:7} echoes/s, p50 {:?}, p99 {:?}, CPU per message:", at(50), at(99));
        let mut keep = |what: &str, value: f64| self.0.push((format!("{name}_window_{window}_{what}"), value));
        keep("echoes_per_s", rate as f64);
        keep("p50_us", at(50).as_secs_f64() * 1e6);
        keep("p99_us", at(99).as_secs_f64() * 1e6);
        for (who, spent) in spent {
            let each = spent.as_secs_f64() * 1e6 / (2 * count) as f64;
            print!(" {who} {each:.2} us");
            keep(&format!("{who}_cpu_us_per_message"), each);
        }
        println!();
    }

    fn print(&self) {
        let pairs: Vec<String> = self.0.iter().map(|(key, value)| format!("\"{key}\": {value:.2}")).collect();
        println!("{{{}}}", pairs.join(", "));
    }
}

struct Server {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Server {
    fn start(arguments: &[&str]) -> Outcome<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = BufReader::new(child.stdout.take().ok_or("no output")?);
        let mut server = Self { child, output };
        server.line()?;
        Ok(server)
    }

    fn line(&mut self) -> Outcome<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    fn cpu_time(&mut self) -> Outcome<Duration> {
        let input = self.child.stdin.as_mut().ok_or("no input")?;
        input.write_all(b"\n")?;
        Ok(Duration::from_nanos(self.line()?.parse()?))
    }
}

async fn measure(backend: &str, seconds: u64) -> Outcome<()> {
    println!("back end {backend}, {SIZE} octets, {seconds} s each");
    let mut figures = Figures::default();
    for threading in ["own", "here"] {
        println!("engine thread: {threading}");
        let mut server = Server::start(&["serve", backend, threading])?;
        let mut association = connect(backend, threading).await?;
        for window in WINDOWS {
            let before = (server.cpu_time()?, cpu_time());
            let latencies = echo(&mut association, window, Duration::from_secs(seconds)).await?;
            let after = (server.cpu_time()?, cpu_time());
            let spent = [("server", after.0.saturating_sub(before.0)), ("client", after.1.saturating_sub(before.1))];
            figures.add(Round { name: threading, window, seconds, latencies, spent });
        }
        association.shutdown();
        while !matches!(association.recv().await, Event::Closed(_)) {}
        drop(server.child.stdin.take());
        server.child.wait()?;
    }
    figures.print();
    Ok(())
}

async fn echo(association: &mut SctpAssociation, window: usize, run: Duration) -> Outcome<Vec<Duration>> {
    let start = Instant::now();
    let mut sent = std::collections::VecDeque::with_capacity(window);
    let mut latencies = Vec::new();
    loop {
        while sent.len() < window && start.elapsed() < run {
            // One stream keeps the order of echoes that of the messages.
            association.send(Message::new(0, ppid::S1AP, vec![7; SIZE])).await?;
            sent.push_back(Instant::now());
        }
        let Some(at) = sent.pop_front() else {
            return Ok(latencies);
        };
        match association.recv().await {
            Event::Message(_) => latencies.push(at.elapsed()),
            other => return Err(format!("{other:?}").into()),
        }
    }
}

/// User and system time of this process.
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes the `timespec` it is given.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), u32::try_from(time.tv_nsec).unwrap_or_default())
}
