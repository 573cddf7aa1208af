//! Prometheus metrics, served as text on a loopback port.
//!
//! Names follow Prometheus conventions: base units, `_total` for counters. Labels are words of the specifications or of this
//! crate; nothing that a peer chose becomes one.

mod totals;

pub use totals::Totals;

use agw_types::{Metric, Outcome};
use anyhow::Context as _;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use prometheus::{
    Encoder as _, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};
use std::convert::Infallible;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// All metrics of the gateway.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    procedures: IntCounterVec,
    durations: HistogramVec,
    received: IntCounterVec,
    sent: IntCounterVec,
    unexpected: IntCounterVec,
    discarded: IntCounterVec,
    retransmitted: IntCounterVec,
    /// Base stations connected.
    pub enbs: IntGauge,
    /// Phones by state.
    pub ues: IntGaugeVec,
    /// Sessions.
    pub sessions: IntGauge,
    /// Subscribers.
    pub subscribers: IntGauge,
    /// Addresses by access point and whether they can be given out.
    pub addresses: IntGaugeVec,
    /// Octets by direction.
    pub bytes: Totals,
    /// Packets by direction.
    pub packets: Totals,
    /// Dropped packets by reason.
    pub drops: Totals,
    /// Which data plane, SCTP back end and version run: always 1.
    pub info: IntGaugeVec,
    /// Data plane changes that failed.
    pub dataplane_errors: IntCounter,
    /// Sessions that the data plane's tables had otherwise than they should, by what was found.
    pub repairs: IntCounterVec,
    /// Entries of the data plane's tables by table and whether they are in use.
    pub table_entries: IntGaugeVec,
    /// GTP-U messages of senders that behave like attackers, by what they do.
    pub suspicions: IntCounterVec,
    /// Paths to base stations, by state.
    pub paths: IntGaugeVec,
    /// Whether packets pass by an interface, by where it leads to.
    pub interfaces: IntGaugeVec,
    /// Octets in durable usage records by direction, ever.
    pub usage_bytes: Totals,
    /// Usage records that nobody has acknowledged.
    pub usage_records: IntGauge,
    /// Steps waiting for the disk.
    pub unreleased: IntGauge,
    /// What federation did besides asking, by what.
    pub federation: IntCounterVec,
    /// Spans for the collector, by what became of them.
    pub spans: Totals,
    /// Federation gateways whose streams stand.
    pub federation_gateways: IntGauge,
}

/// Seconds: from a fraction of a millisecond to T3460 with all its repetitions.
const BUCKETS: [f64; 14] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 15.0, 60.0];

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// Two of them have one name: a mistake in this file.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new_custom(Some("basalt_agw".to_owned()), None)?;
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let metric = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(metric.clone())).map(|()| metric)
        };
        let gauge = |name: &str, help: &str, labels: &[&str]| {
            let metric = IntGaugeVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(metric.clone())).map(|()| metric)
        };
        let total = |name: &str, help: &str, labels: &[&str]| {
            let metric = Totals::new(name, help, labels)?;
            registry.register(Box::new(metric.clone())).map(|()| metric)
        };
        let single = |name: &str, help: &str| {
            let metric = IntGauge::new(name, help)?;
            registry.register(Box::new(metric.clone())).map(|()| metric)
        };
        let durations = HistogramVec::new(
            HistogramOpts::new("procedure_duration_seconds", "Time of successful procedures.").buckets(BUCKETS.into()),
            &["procedure"],
        )?;
        registry.register(Box::new(durations.clone()))?;
        let dataplane_errors = IntCounter::new("data_plane_errors_total", "Data plane changes that failed.")?;
        registry.register(Box::new(dataplane_errors.clone()))?;
        Ok(Self {
            procedures: counter(
                "procedures_total",
                "Procedures that ended, by outcome; cause is the EMM or ESM cause value sent.",
                &["procedure", "outcome", "cause"],
            )?,
            durations,
            received: counter("messages_received_total", "S1AP and NAS messages received.", &["message"])?,
            sent: counter("messages_sent_total", "S1AP and NAS messages sent.", &["message"])?,
            unexpected: counter("messages_unexpected_total", "Messages that did not fit the state.", &["message"])?,
            discarded: counter("messages_discarded_total", "Messages dropped before they reached a UE.", &["reason"])?,
            retransmitted: counter("retransmissions_total", "Messages sent again after a timer.", &["message"])?,
            federation: counter("federation_total", "What stood for a home network's answer, and why.", &["what"])?,
            spans: total("otlp_spans_total", "Spans for the collector of OpenTelemetry.", &["outcome"])?,
            federation_gateways: single("federation_gateways", "Federation gateways whose streams stand.")?,
            enbs: single("enbs", "Base stations with S1 set up.")?,
            ues: gauge("ues", "Phones known, by state.", &["state"])?,
            sessions: single("sessions", "PDN connections.")?,
            subscribers: single("subscribers", "Subscribers in the local list.")?,
            addresses: gauge("pool_addresses", "Addresses of the pools.", &["apn", "pool", "state"])?,
            bytes: total("user_plane_bytes_total", "Octets of user packets forwarded.", &["direction"])?,
            packets: total("user_plane_packets_total", "User packets forwarded.", &["direction"])?,
            drops: total("user_plane_drops_total", "User packets dropped.", &["reason"])?,
            info: gauge("info", "What runs here; always 1.", &["version", "data_plane", "sctp_backend"])?,
            dataplane_errors,
            repairs: counter(
                "data_plane_repairs_total",
                "What was repaired: sessions otherwise than they should be, pins removed, programs detached.",
                &["found"],
            )?,
            suspicions: counter(
                "suspicious_messages_total",
                "GTP-U messages of senders that were reported as suspicious.",
                &["what"],
            )?,
            paths: gauge(
                "gtpu_paths",
                "GTP-U paths to base stations, by whether they answer Echo Requests.",
                &["state"],
            )?,
            interfaces: gauge("interface_up", "Whether packets pass by this interface.", &["side"])?,
            table_entries: gauge(
                "data_plane_table_entries",
                "Entries of the data plane's tables.",
                &["table", "state"],
            )?,
            usage_bytes: total("usage_bytes_total", "Octets in usage records; they survive restarts.", &["direction"])?,
            usage_records: single("usage_records_unacknowledged", "Usage records that nobody has taken over yet.")?,
            unreleased: single("unreleased_steps", "Steps whose effects wait for the disk.")?,
            registry,
        })
    }

    /// Counts what a step wants counted.
    pub fn count(&self, metric: Metric) {
        match metric {
            Metric::Procedure { procedure, outcome } => {
                let (outcome, cause) = words(outcome);
                self.procedures.with_label_values(&[procedure_name(procedure), outcome, &cause]).inc();
            }
            Metric::Duration { procedure, micros } => {
                #[allow(clippy::cast_precision_loss, reason = "microseconds of a procedure are far below 2^52")]
                let seconds = micros as f64 / 1e6;
                self.durations.with_label_values(&[procedure_name(procedure)]).observe(seconds);
            }
            Metric::Received(message) => self.received.with_label_values(&[message]).inc(),
            Metric::Sent(message) => self.sent.with_label_values(&[message]).inc(),
            Metric::Unexpected(message) => self.unexpected.with_label_values(&[message]).inc(),
            Metric::Discarded(reason) => self.discarded.with_label_values(&[reason]).inc(),
            Metric::Retransmitted(message) => self.retransmitted.with_label_values(&[message]).inc(),
        }
    }

    /// All values by name with labels as in the text; of histograms sum and count.
    #[must_use]
    pub fn values(&self) -> std::collections::BTreeMap<String, f64> {
        let text = String::from_utf8(self.text()).unwrap_or_default();
        let samples = text.lines().filter(|line| !line.starts_with('#') && !line.contains("_bucket{"));
        samples
            .filter_map(|line| line.rsplit_once(' '))
            .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
            .collect()
    }

    /// The text of a scrape.
    #[must_use]
    pub fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "metrics cannot be written as text");
        }
        text
    }
}

fn procedure_name(procedure: agw_types::Procedure) -> &'static str {
    use agw_types::Procedure as P;
    match procedure {
        P::S1Setup => "s1_setup",
        P::Attach => "attach",
        P::Authentication => "authentication",
        P::SecurityMode => "security_mode",
        P::Identification => "identification",
        P::ServiceRequest => "service_request",
        P::TrackingAreaUpdate => "tracking_area_update",
        P::Detach => "detach",
        P::Paging => "paging",
        P::PdnConnectivity => "pdn_connectivity",
        P::DedicatedBearer => "dedicated_bearer",
        P::BearerModification => "bearer_modification",
        P::BearerDeactivation => "bearer_deactivation",
        P::Admission => "admission",
        P::InitialContextSetup => "initial_context_setup",
        P::ContextRelease => "context_release",
        P::GutiReallocation => "guti_reallocation",
        P::PathSwitch => "path_switch",
        P::Handover => "handover",
        P::BearerMove => "bearer_move",
        P::ContextModification => "context_modification",
    }
}

fn words(outcome: Outcome) -> (&'static str, String) {
    match outcome {
        Outcome::Success => ("success", String::new()),
        Outcome::EmmCause(cause) | Outcome::EsmCause(cause) => ("rejected", cause.to_string()),
        Outcome::Timeout => ("timeout", String::new()),
        Outcome::RadioLost => ("radio_lost", String::new()),
        Outcome::Superseded => ("superseded", String::new()),
        Outcome::PeerRefused => ("peer_refused", String::new()),
        Outcome::Failure => ("failure", String::new()),
    }
}

/// Serves `GET /metrics` until the process ends. `refresh` brings gauges up to date before each scrape.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve<F, R>(address: SocketAddr, metrics: Metrics, refresh: F) -> anyhow::Result<()>
where
    F: Fn() -> R + Clone + Send + 'static,
    R: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot serve metrics on {address}: set metrics.listen to another address"))?;
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let (metrics, refresh) = (metrics.clone(), refresh.clone());
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                let (metrics, refresh) = (metrics.clone(), refresh.clone());
                async move {
                    if request.uri().path() != "/metrics" {
                        return Ok::<_, Infallible>(answer(StatusCode::NOT_FOUND, b"look at /metrics\n".to_vec()));
                    }
                    refresh().await;
                    Ok(answer(StatusCode::OK, metrics.text()))
                }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    Ok(())
}

fn answer(status: StatusCode, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let text = hyper::header::HeaderValue::from_static("text/plain; version=0.0.4");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, text);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use agw_types::Procedure;

    #[test]
    fn what_is_counted_is_in_the_text() {
        let metrics = Metrics::new().unwrap();
        metrics.count(Metric::Procedure { procedure: Procedure::Attach, outcome: Outcome::EmmCause(11) });
        metrics.count(Metric::Duration { procedure: Procedure::Attach, micros: 1500 });
        metrics.enbs.set(3);
        let text = String::from_utf8(metrics.text()).unwrap();
        let line = "basalt_agw_procedures_total{cause=\"11\",outcome=\"rejected\",procedure=\"attach\"} 1";
        assert!(text.contains(line), "{text}");
        assert!(text.contains("basalt_agw_procedure_duration_seconds_bucket{procedure=\"attach\",le=\"0.002\"} 1"));
        assert!(text.contains("basalt_agw_enbs 3"));
    }

    #[test]
    fn totals_are_counters_and_nothing_else_is() {
        let metrics = Metrics::new().unwrap();
        let message = Metric::Received("UplinkNASTransport");
        metrics.count(message);
        metrics.enbs.set(3);
        for total in [&metrics.bytes, &metrics.packets, &metrics.drops, &metrics.usage_bytes, &metrics.spans] {
            total.with_label_values(&["uplink"]).set(7);
        }
        let text = String::from_utf8(metrics.text()).unwrap();
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        for (name, kind) in types {
            assert_eq!(name.ends_with("_total"), kind == "counter", "{name} is a {kind}");
        }
        assert!(text.contains("basalt_agw_user_plane_bytes_total{direction=\"uplink\"} 7\n"), "{text}");
        assert!(text.contains("basalt_agw_user_plane_drops_total{reason=\"uplink\"} 7\n"), "{text}");
    }
}
