//! Hands batches to the collector.

use crate::{Log, Resource, Settings, Span, connect, encode};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use tonic::transport::Channel;
use tonic::{Code, Status};

/// Why a batch was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The same batch may be taken later.
    #[error("the collector does not take it now: {0}")]
    Later(String),
    /// It never will.
    #[error("the collector refuses it: {0}")]
    Never(String),
}

/// A way to a collector, made when it is first needed.
#[derive(Debug, Clone)]
pub struct Client {
    channel: Channel,
    resource: Resource,
}

impl Client {
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The settings cannot be used: what is wrong, and what would be right.
    pub fn new(settings: &Settings, resource: Resource) -> Result<Self, String> {
        Ok(Self { channel: connect::channel(settings)?, resource })
    }

    /// Hands over spans; how many the collector refused of them.
    ///
    /// # Errors
    /// It took none.
    pub async fn spans(&self, spans: Vec<Span>) -> Result<u64, Failure> {
        let request = ExportTraceServiceRequest { resource_spans: vec![encode::spans(&self.resource, spans)] };
        let answer = TraceServiceClient::new(self.channel.clone()).export(request).await;
        let partial = answer.map_err(|status| failure(&status))?.into_inner().partial_success;
        Ok(partial.map_or(0, |partial| u64::try_from(partial.rejected_spans).unwrap_or_default()))
    }

    /// Hands over log records; how many the collector refused of them.
    ///
    /// # Errors
    /// It took none.
    pub async fn logs(&self, logs: Vec<Log>) -> Result<u64, Failure> {
        let request = ExportLogsServiceRequest { resource_logs: vec![encode::logs(&self.resource, logs)] };
        let answer = LogsServiceClient::new(self.channel.clone()).export(request).await;
        let partial = answer.map_err(|status| failure(&status))?.into_inner().partial_success;
        Ok(partial.map_or(0, |partial| u64::try_from(partial.rejected_log_records).unwrap_or_default()))
    }
}

/// OTLP 1 "Failures": which codes mean that the same may be tried again.
fn failure(status: &Status) -> Failure {
    let words = format!("{:?}: {}", status.code(), status.message());
    match status.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss
        | Code::ResourceExhausted
        // What tonic makes of a connection that could not be made or broke.
        | Code::Unknown => Failure::Later(words),
        _ => Failure::Never(words),
    }
}
