//! A collector of OpenTelemetry beside the gateway of a lab: it keeps the spans that it is told.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, status::StatusCode};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use crate::lab::NetNs;
use crate::lab::netns::runtime;

/// Where it listens, inside the gateway's namespace.
const ADDRESS: &str = "127.0.0.1:4317";

/// A span as a collector has it.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Which program told it.
    pub service: String,
    /// Such as `attach`.
    pub name: String,
    /// Of all spans that belong together.
    pub trace: Vec<u8>,
    /// Its own number.
    pub span: Vec<u8>,
    /// That of the span that it is a part of; empty for the outermost.
    pub parent: Vec<u8>,
    /// It ended in a failure.
    pub failed: bool,
    /// Everything that was told, for what must not be there.
    pub whole: String,
}

/// See the module. It ends with this.
#[derive(Debug)]
pub struct Collector {
    heard: Arc<Mutex<Vec<Heard>>>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// The setting by which a gateway tells it.
#[must_use]
pub fn setting() -> String {
    format!("otlp.endpoint = \"http://{ADDRESS}\"")
}

impl Collector {
    /// Begins to listen in a namespace.
    ///
    /// # Errors
    /// The address is in use, or the system has no thread.
    pub fn start(ns: &NetNs) -> Result<Self> {
        let listener = ns.run(|| Ok(std::net::TcpListener::bind(ADDRESS)?)).context("a collector")?;
        listener.set_nonblocking(true)?;
        let heard = Arc::new(Mutex::new(Vec::new()));
        let service = TraceServiceServer::new(Service(Arc::clone(&heard)));
        let (end, ended) = oneshot::channel();
        let thread = std::thread::Builder::new().name("collector".to_owned()).spawn(move || {
            let Ok(runtime) = runtime() else { return };
            runtime.block_on(async {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                let incoming = TcpListenerStream::new(listener);
                let serving = Server::builder().add_service(service).serve_with_incoming(incoming);
                tokio::select! {
                    _ = serving => {}
                    _ = ended => {}
                }
            });
        })?;
        Ok(Self { heard, end: Some(end), thread: Some(thread) })
    }

    /// What it was told so far.
    #[must_use]
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            // It may have ended by itself.
            let _ = end.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Service(Arc<Mutex<Vec<Heard>>>);

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let heard = request.into_inner().resource_spans.into_iter().flat_map(spans);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(heard);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn spans(told: ResourceSpans) -> Vec<Heard> {
    let attributes = told.resource.map(|resource| resource.attributes).unwrap_or_default();
    let service = attributes.into_iter().find(|pair| pair.key == "service.name").and_then(|pair| pair.value?.value);
    let service = if let Some(Value::StringValue(name)) = service { name } else { String::new() };
    let spans = told.scope_spans.into_iter().flat_map(|scope| scope.spans);
    spans
        .map(|span| Heard {
            service: service.clone(),
            whole: format!("{span:?}"),
            failed: span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error),
            name: span.name,
            trace: span.trace_id,
            span: span.span_id,
            parent: span.parent_span_id,
        })
        .collect()
}
