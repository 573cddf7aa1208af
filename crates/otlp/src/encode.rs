//! Values in the collector's language.

use crate::{Attributes, Context, Happened, Kind, Log, Resource, Severity, Span, Value};
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber};
use opentelemetry_proto::tonic::resource::v1 as resource;
use opentelemetry_proto::tonic::trace::v1 as trace;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Status, span, status};

/// Spans, and who tells them.
pub(crate) fn spans(who: &Resource, spans: Vec<Span>) -> ResourceSpans {
    let scope =
        ScopeSpans { scope: Some(scope(who)), spans: spans.into_iter().map(one).collect(), ..Default::default() };
    ResourceSpans { resource: Some(resource(who)), scope_spans: vec![scope], ..Default::default() }
}

/// Log records, and who tells them.
pub(crate) fn logs(who: &Resource, logs: Vec<Log>) -> ResourceLogs {
    let log_records = logs.into_iter().map(log).collect();
    let scope = ScopeLogs { scope: Some(scope(who)), log_records, ..Default::default() };
    ResourceLogs { resource: Some(resource(who)), scope_logs: vec![scope], ..Default::default() }
}

fn scope(who: &Resource) -> InstrumentationScope {
    InstrumentationScope { name: "basalt".to_owned(), version: who.version.to_owned(), ..Default::default() }
}

fn resource(who: &Resource) -> resource::Resource {
    let attributes = vec![
        ("service.namespace", Value::from("basalt")),
        ("service.name", Value::from(who.service)),
        ("service.instance.id", Value::from(who.instance.as_str())),
        ("service.version", Value::from(who.version)),
    ];
    resource::Resource { attributes: list(attributes), ..Default::default() }
}

fn one(told: Span) -> trace::Span {
    let status = told.failure.map(|message| Status { message, code: status::StatusCode::Error.into() });
    let kind = match told.kind {
        Kind::Internal => span::SpanKind::Internal,
        Kind::Server => span::SpanKind::Server,
        Kind::Client => span::SpanKind::Client,
    };
    trace::Span {
        trace_id: told.context.trace.to_vec(),
        span_id: told.context.span.to_vec(),
        parent_span_id: told.parent.map(|Context { span, .. }| span.to_vec()).unwrap_or_default(),
        name: told.name,
        kind: kind.into(),
        start_time_unix_nano: nanos(told.began),
        end_time_unix_nano: nanos(told.ended.max(told.began)),
        attributes: list(told.attributes),
        events: told.events.into_iter().map(event).collect(),
        status,
        flags: u32::from(told.context.sampled),
        ..Default::default()
    }
}

fn event(told: Happened) -> span::Event {
    span::Event {
        time_unix_nano: nanos(told.at),
        name: told.name,
        attributes: list(told.attributes),
        ..Default::default()
    }
}

fn log(told: Log) -> LogRecord {
    let (number, text) = match told.severity {
        Severity::Info => (SeverityNumber::Info, "INFO"),
        Severity::Warn => (SeverityNumber::Warn, "WARN"),
    };
    LogRecord {
        time_unix_nano: nanos(told.at),
        observed_time_unix_nano: nanos(told.at),
        severity_number: number.into(),
        severity_text: text.to_owned(),
        event_name: told.name,
        body: Some(value(Value::Text(told.words))),
        attributes: list(told.attributes),
        ..Default::default()
    }
}

fn list(attributes: Attributes) -> Vec<KeyValue> {
    let pair =
        |(key, told): (&str, Value)| KeyValue { key: key.to_owned(), value: Some(value(told)), ..Default::default() };
    attributes.into_iter().map(pair).collect()
}

fn value(told: Value) -> AnyValue {
    let value = match told {
        Value::Text(text) => any_value::Value::StringValue(text),
        Value::Number(number) => any_value::Value::IntValue(number),
        Value::Flag(flag) => any_value::Value::BoolValue(flag),
    };
    AnyValue { value: Some(value) }
}

const fn nanos(micros: u64) -> u64 {
    micros.saturating_mul(1_000)
}
