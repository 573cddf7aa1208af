//! Prometheus metrics as text.

use crate::peers::Peers;
use anyhow::Context as _;
use basalt_diameter_link::{BUCKETS_MICROS, PeerStatus};
use feg_relay::Metric;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use prometheus::{
    Encoder as _, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder, proto::MetricType,
};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// All metrics of the daemon; those of peers are read from them at each scrape.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
    repeated: IntCounter,
    over_quota: IntCounter,
    filtered: IntCounterVec,
    backward: IntCounterVec,
    peers: IntGaugeVec,
    /// Gateways that are connected.
    pub gateways: IntGauge,
}

impl Metrics {
    /// All at zero.
    ///
    /// # Errors
    /// Two of a name, which there are not.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let opts = |name: &str, help: &str| Opts::new(format!("basalt_feg_{name}"), help);
        let requests = IntCounterVec::new(
            opts("requests_total", "Requests of gateways by command, realm and how they ended."),
            &["command", "realm", "outcome", "cause"],
        )?;
        let help = "From a gateway's request to the home network's answer.";
        let durations = HistogramOpts::new("basalt_feg_request_duration_seconds", help)
            .buckets(BUCKETS_MICROS.iter().map(|micros| *micros as f64 / 1e6).collect());
        let metrics = Self {
            requests,
            durations: HistogramVec::new(durations, &["command", "realm"])?,
            repeated: IntCounter::with_opts(opts("repeated_requests_total", "Requests that came again."))?,
            over_quota: IntCounter::with_opts(opts("over_quota_total", "Requests beyond a gateway's quota."))?,
            filtered: IntCounterVec::new(opts("filtered_total", "Requests of peers that were refused."), &["why"])?,
            backward: IntCounterVec::new(opts("home_requests_total", "Requests of home networks."), &["outcome"])?,
            peers: IntGaugeVec::new(opts("peer_up", "Whether a peer takes requests."), &["peer"])?,
            gateways: IntGauge::with_opts(opts("gateways", "Gateways that are connected."))?,
            registry,
        };
        let all: [Box<dyn prometheus::core::Collector>; 8] = [
            Box::new(metrics.requests.clone()),
            Box::new(metrics.durations.clone()),
            Box::new(metrics.repeated.clone()),
            Box::new(metrics.over_quota.clone()),
            Box::new(metrics.filtered.clone()),
            Box::new(metrics.backward.clone()),
            Box::new(metrics.peers.clone()),
            Box::new(metrics.gateways.clone()),
        ];
        for one in all {
            metrics.registry.register(one)?;
        }
        Ok(metrics)
    }

    /// Counts one thing.
    pub fn count(&self, metric: &Metric) {
        match metric {
            Metric::Result { command, realm, outcome, cause, took } => {
                let cause = if *cause == 0 { String::new() } else { cause.to_string() };
                self.requests.with_label_values(&[command, realm.as_str(), outcome, cause.as_str()]).inc();
                self.durations.with_label_values(&[command, realm.as_str()]).observe(took.as_secs_f64());
            }
            Metric::Repeated => self.repeated.inc(),
            Metric::OverQuota => self.over_quota.inc(),
            Metric::Filtered(why) => self.filtered.with_label_values(&[why]).inc(),
            Metric::Backward(outcome) => self.backward.with_label_values(&[outcome]).inc(),
        }
    }

    /// All of them by name and labels, for an orchestrator: counters and gauges.
    pub fn values(&self, peers: &[(PeerStatus, Vec<String>)]) -> BTreeMap<String, f64> {
        let mut values = BTreeMap::new();
        for family in self.registry.gather() {
            for metric in family.get_metric() {
                let labels: Vec<String> =
                    metric.get_label().iter().map(|it| format!("{}=\"{}\"", it.name(), it.value())).collect();
                let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
                let value = match family.get_field_type() {
                    MetricType::COUNTER => metric.get_counter().get_value(),
                    MetricType::GAUGE => metric.get_gauge().get_value(),
                    _ => continue,
                };
                values.insert(format!("{}{labels}", family.name()), value);
            }
        }
        for (peer, _) in peers {
            let named = |name: &str| format!("basalt_feg_{name}{{peer=\"{}\"}}", peer.host);
            values.insert(named("peer_up"), f64::from(u8::from(peer.up)));
            values.insert(named("peer_losses_total"), peer.losses as f64);
            values.insert(named("peer_answers_total"), peer.answers as f64);
        }
        values
    }

    fn text(&self, peers: &[PeerStatus]) -> Vec<u8> {
        // Peers of former configurations are no more.
        self.peers.reset();
        for peer in peers {
            self.peers.with_label_values(&[peer.host.as_str()]).set(peer.up.into());
        }
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "metrics cannot be written as text");
        }
        text.extend(of_peers(peers).into_bytes());
        text
    }
}

/// What the Diameter side counts itself.
fn of_peers(peers: &[PeerStatus]) -> String {
    let mut text = String::new();
    let head = |text: &mut String, name: &str, kind: &str, help: &str| {
        let _ = writeln!(text, "# HELP basalt_feg_{name} {help}\n# TYPE basalt_feg_{name} {kind}");
    };
    head(&mut text, "peer_results_total", "counter", "Answers of a peer by result.");
    for peer in peers {
        for ((vendor, code), count) in &peer.results {
            let result = crate::operate::result(*vendor, *code);
            let _ =
                writeln!(text, "basalt_feg_peer_results_total{{peer=\"{}\",result=\"{result}\"}} {count}", peer.host);
        }
    }
    head(&mut text, "peer_losses_total", "counter", "How often a peer was lost.");
    for peer in peers {
        let _ = writeln!(text, "basalt_feg_peer_losses_total{{peer=\"{}\"}} {}", peer.host, peer.losses);
    }
    head(&mut text, "peer_strays_total", "counter", "Answers of a peer that fit no request: late, or lies.");
    for peer in peers {
        let _ = writeln!(text, "basalt_feg_peer_strays_total{{peer=\"{}\"}} {}", peer.host, peer.strays);
    }
    head(&mut text, "peer_latency_seconds", "histogram", "From sending a request to a peer to its answer.");
    for peer in peers {
        let mut below = 0;
        for (bound, count) in BUCKETS_MICROS.iter().zip(&peer.latency) {
            below += count;
            let bound = *bound as f64 / 1e6;
            let _ = writeln!(
                text,
                "basalt_feg_peer_latency_seconds_bucket{{peer=\"{}\",le=\"{bound}\"}} {below}",
                peer.host
            );
        }
        let (sum, count) = (peer.latency_micros as f64 / 1e6, peer.answers);
        let _ = writeln!(text, "basalt_feg_peer_latency_seconds_bucket{{peer=\"{}\",le=\"+Inf\"}} {count}", peer.host);
        let _ = writeln!(text, "basalt_feg_peer_latency_seconds_sum{{peer=\"{}\"}} {sum}", peer.host);
        let _ = writeln!(text, "basalt_feg_peer_latency_seconds_count{{peer=\"{}\"}} {count}", peer.host);
    }
    text
}

/// Serves `GET /metrics` until the process ends.
///
/// # Errors
/// The address cannot be listened on.
pub async fn serve(address: SocketAddr, metrics: Metrics, peers: Peers) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot serve metrics on {address}: set `metrics` to another address"))?;
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let (metrics, peers) = (metrics.clone(), peers.clone());
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                let (metrics, peers) = (metrics.clone(), peers.clone());
                async move {
                    if request.uri().path() != "/metrics" {
                        return Ok::<_, Infallible>(answer(StatusCode::NOT_FOUND, b"look at /metrics\n".to_vec()));
                    }
                    let statuses = peers.statuses().await.into_iter().map(|(status, _)| status).collect::<Vec<_>>();
                    Ok(answer(StatusCode::OK, metrics.text(&statuses)))
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
