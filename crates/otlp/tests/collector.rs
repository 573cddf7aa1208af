//! A collector of our own, by the server side of the standard's library: what it is told is what was said.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use basalt_otlp::{Client, Context, Exporter, Failure, Happened, Kind, Log, Resource, Settings, Severity, Span, Value};
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// Says no to so many requests, then takes all but one span of each.
#[derive(Clone)]
struct Collector {
    told: mpsc::Sender<ExportTraceServiceRequest>,
    logs: mpsc::Sender<ExportLogsServiceRequest>,
    not_yet: Arc<AtomicU32>,
    refuses: i64,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        if self.not_yet.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(Status::unavailable("not yet"));
        }
        self.told.send(request.into_inner()).await.unwrap();
        let partial_success = (self.refuses > 0)
            .then(|| ExportTracePartialSuccess { rejected_spans: self.refuses, error_message: "too long".to_owned() });
        Ok(Response::new(ExportTraceServiceResponse { partial_success }))
    }
}

#[tonic::async_trait]
impl LogsService for Collector {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        self.logs.send(request.into_inner()).await.unwrap();
        Ok(Response::new(ExportLogsServiceResponse::default()))
    }
}

struct Running {
    settings: Settings,
    spans: mpsc::Receiver<ExportTraceServiceRequest>,
    logs: mpsc::Receiver<ExportLogsServiceRequest>,
    _folder: tempfile::TempDir,
}

async fn collector(secure: bool, not_yet: u32, refuses: i64) -> Running {
    let (told, spans) = mpsc::channel(64);
    let (log_sender, logs) = mpsc::channel(64);
    let it = Collector { told, logs: log_sender, not_yet: Arc::new(AtomicU32::new(not_yet)), refuses };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server =
        Server::builder().add_service(TraceServiceServer::new(it.clone())).add_service(LogsServiceServer::new(it));
    let folder = tempfile::tempdir().unwrap();
    let mut ca = None;
    if secure {
        let (path, acceptor) = certificate(&folder);
        ca = Some(path);
        let incoming = TcpListenerStream::new(listener).then(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                let mut outside = acceptor.accept(stream?).await?;
                let (mut inside, served) = tokio::io::duplex(1 << 16);
                tokio::spawn(async move { tokio::io::copy_bidirectional(&mut outside, &mut inside).await });
                Ok::<_, std::io::Error>(served)
            }
        });
        tokio::spawn(server.serve_with_incoming(incoming));
    } else {
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    }
    let scheme = if secure { "https" } else { "http" };
    let settings = Settings { endpoint: format!("{scheme}://localhost:{port}"), ca, sample: 1.0, identities: false };
    Running { settings, spans, logs, _folder: folder }
}

fn certificate(folder: &tempfile::TempDir) -> (PathBuf, TlsAcceptor) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, made.cert.pem()).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    (path, Arc::new(config).into())
}

fn resource() -> Resource {
    Resource { service: "agwd", instance: "hill".to_owned(), version: "1.2.3" }
}

fn span(name: &str, parent: Option<Context>) -> Span {
    Span {
        context: parent.map_or_else(Context::new, |parent| parent.child()),
        parent,
        name: name.to_owned(),
        kind: Kind::Server,
        began: 1_000,
        ended: 4_000,
        failure: None,
        attributes: vec![("basalt.enb", Value::from("001-01/0x19b")), ("basalt.again", Value::Flag(true))],
        events: vec![Happened { at: 2_000, name: "AUTHENTICATION REQUEST".to_owned(), attributes: Vec::new() }],
    }
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let value = attributes.iter().find(|pair| pair.key == key)?.value.clone()?.value?;
    if let any_value::Value::StringValue(text) = value { Some(text) } else { None }
}

#[tokio::test]
async fn a_collector_is_told_spans_as_they_were_also_over_tls() {
    for secure in [false, true] {
        let mut running = collector(secure, 0, 0).await;
        let exporter = Exporter::start(&running.settings, resource()).unwrap();
        let root = span("attach", None);
        let mut part = span("authentication", Some(root.context));
        part.failure = Some("MAC failure".to_owned());
        exporter.tell(part.clone());
        exporter.tell(root.clone());
        let told = running.spans.recv().await.unwrap();
        let of = &told.resource_spans[0];
        let who = &of.resource.as_ref().unwrap().attributes;
        assert_eq!(text(who, "service.name").as_deref(), Some("agwd"));
        assert_eq!(text(who, "service.instance.id").as_deref(), Some("hill"));
        let spans = &of.scope_spans[0].spans;
        assert_eq!((spans[0].name.as_str(), spans[1].name.as_str()), ("authentication", "attach"));
        assert_eq!((&spans[0].trace_id, &spans[0].parent_span_id), (&spans[1].trace_id, &spans[1].span_id));
        assert!(spans[1].parent_span_id.is_empty());
        assert_eq!(spans[0].status.as_ref().unwrap().message, "MAC failure");
        assert_eq!((spans[1].start_time_unix_nano, spans[1].end_time_unix_nano), (1_000_000, 4_000_000));
        assert_eq!(spans[1].events[0].name, "AUTHENTICATION REQUEST");
        assert_eq!(text(&spans[1].attributes, "basalt.enb").as_deref(), Some("001-01/0x19b"));
    }
}

#[tokio::test]
async fn a_collector_that_is_away_is_told_later_and_what_it_refuses_is_counted() {
    let mut running = collector(false, 1, 1).await;
    let exporter = Exporter::start(&running.settings, resource()).unwrap();
    (0..3).for_each(|_| exporter.tell(span("attach", None)));
    let told = running.spans.recv().await.unwrap();
    assert_eq!(told.resource_spans[0].scope_spans[0].spans.len(), 3);
    // The answer is on its way; the figures are told after it.
    while exporter.figures().told == 0 {
        tokio::task::yield_now().await;
    }
    let figures = exporter.figures();
    assert_eq!((figures.told, figures.dropped, figures.failures), (2, 1, 1));
}

/// Longer than a program takes to start, or to say something, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Rotel, a collector that others wrote: it says what it understands of what it is told. It ends with the test.
struct Rotel {
    _program: Child,
    says: Lines<BufReader<ChildStdout>>,
    settings: Settings,
    _folder: tempfile::TempDir,
}

impl Rotel {
    /// `None` where there is none.
    async fn start() -> Option<Self> {
        let Some(program) = std::env::var_os("BASALT_ROTEL") else {
            println!(
                "skipped: BASALT_ROTEL names no collector; `pip install rotel==0.0.1a15` brings one, `rotel-agent`"
            );
            return None;
        };
        let free = async || TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
        let (grpc, http, folder) = (free().await, free().await, tempfile::tempdir().unwrap());
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$0\" \"$@\" 2>&1"]).arg(program).args(["start", "--exporter", "blackhole"]);
        command.args(["--debug-log", "traces", "--debug-log", "logs", "--debug-log-verbosity", "detailed"]);
        command.args(["--otlp-grpc-endpoint", &grpc, "--otlp-http-endpoint", &http]);
        command.arg("--pid-file").arg(folder.path().join("pid")).arg("--log-file").arg(folder.path().join("log"));
        let mut program = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let says = BufReader::new(program.stdout.take().unwrap()).lines();
        let settings = Settings { endpoint: format!("http://{grpc}"), ca: None, sample: 1.0, identities: false };
        Some(Self { _program: program, says, settings, _folder: folder })
    }

    /// Waits until it has said all of this, in whichever order.
    async fn has_said(&mut self, mut wanted: Vec<&str>) {
        let mut said = Vec::new();
        let listening = async {
            while !wanted.is_empty() {
                let line = self.says.next_line().await.unwrap().expect("it ended");
                let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
                wanted.retain(|words| !line.contains(words));
                said.push(line);
            }
        };
        let heard = tokio::time::timeout(PATIENCE, listening).await;
        assert!(heard.is_ok(), "it has not said {wanted:?}, but {said:#?}");
    }
}

/// A collector that others wrote understands spans and log records as they were meant.
#[tokio::test]
async fn a_collector_of_others_understands_what_it_is_told() {
    let Some(mut rotel) = Rotel::start().await else { return };
    let exporter = Exporter::start(&rotel.settings, resource()).unwrap();
    let root = span("attach", None);
    let part = span("authentication", Some(root.context));
    exporter.tell(part.clone());
    exporter.tell(root.clone());
    let (root, part) = (root.context.to_string(), part.context.to_string());
    let [_, trace, root, _] = root.split('-').collect::<Vec<_>>()[..] else { panic!("{root}") };
    let [_, _, part, _] = part.split('-').collect::<Vec<_>>()[..] else { panic!("{part}") };
    let ids = [format!("Trace ID : {trace}"), format!("Parent ID : {root}"), format!("ID : {part}")];
    let mut wanted = vec!["service.name: Str(agwd)", "service.instance.id: Str(hill)", "basalt 1.2.3"];
    wanted.extend(ids.iter().map(String::as_str));
    wanted.extend(["Name : authentication", "Name : attach", "SPAN_KIND_SERVER", "Name: AUTHENTICATION REQUEST"]);
    wanted.extend([
        "Start time: 1000000",
        "End time: 4000000",
        "basalt.enb: Str(001-01/0x19b)",
        "basalt.again: Bool(true)",
    ]);
    rotel.has_said(wanted).await;
    assert_eq!(Client::new(&rotel.settings, resource()).unwrap().logs(vec![log()]).await, Ok(0));
    rotel.has_said(vec!["a gateway was refused", "WARN", "5000000", "basalt.network: Str(lab)"]).await;
}

fn log() -> Log {
    Log {
        at: 5_000,
        severity: Severity::Warn,
        name: "security".to_owned(),
        words: "a gateway was refused".to_owned(),
        attributes: vec![("basalt.network", Value::from("lab"))],
    }
}

#[tokio::test]
async fn log_records_are_handed_over_and_a_failure_is_named() {
    let mut running = collector(false, 0, 0).await;
    let client = Client::new(&running.settings, resource()).unwrap();
    assert_eq!(client.logs(vec![log()]).await, Ok(0));
    let told = running.logs.recv().await.unwrap();
    let record = &told.resource_logs[0].scope_logs[0].log_records[0];
    assert_eq!((record.event_name.as_str(), record.severity_text.as_str()), ("security", "WARN"));
    assert_eq!(text(&record.attributes, "basalt.network").as_deref(), Some("lab"));

    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let nobody = Settings { endpoint: format!("http://127.0.0.1:{port}"), ..running.settings.clone() };
    let refused = Client::new(&nobody, resource()).unwrap().logs(Vec::new()).await;
    assert!(matches!(refused, Err(Failure::Later(_))), "{refused:?}");
    let wrong = Settings { ca: Some("/nonexistent/ca.pem".into()), endpoint: "https://a".to_owned(), ..nobody };
    assert!(Client::new(&wrong, resource()).unwrap_err().contains("/nonexistent/ca.pem"));
}
