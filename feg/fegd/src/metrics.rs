//! Prometheus metrics as text.

use crate::operate::Operator;
use crate::realms::{Counts, ways};
use anyhow::Context as _;
use basalt_diameter::Outcome;
use basalt_diameter_link::{BUCKETS_MICROS, PeerStatus};
use feg_relay::Metric;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use prometheus::{
    Encoder as _, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
    core::Collector as _,
    proto::{self, MetricType},
};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;

/// Results with a label of their own.
const RESULTS: usize = 64;
/// An answer that takes longer is slow, seconds; a bound of the histogram.
const SLOW: f64 = 1.0;

/// All metrics of the daemon; those of peers are read from them at each scrape.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
    results: IntCounterVec,
    /// Results that have a label; beyond [`RESULTS`], others are counted together: a peer must not fill memories with codes of its own.
    known: Arc<Mutex<BTreeSet<(u32, u32)>>>,
    repeated: IntCounter,
    over_quota: IntCounter,
    filtered: IntCounterVec,
    backward: IntCounterVec,
    peers: IntGaugeVec,
    realms: IntGaugeVec,
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
        let results = IntCounterVec::new(
            opts("results_total", "Answers of home networks by realm and result."),
            &["realm", "result"],
        )?;
        let metrics = Self {
            requests,
            results,
            known: Arc::default(),
            durations: HistogramVec::new(durations, &["command", "realm"])?,
            repeated: IntCounter::with_opts(opts("repeated_requests_total", "Requests that came again."))?,
            over_quota: IntCounter::with_opts(opts("over_quota_total", "Requests beyond a gateway's quota."))?,
            filtered: IntCounterVec::new(opts("filtered_total", "Requests of peers that were refused."), &["why"])?,
            backward: IntCounterVec::new(opts("home_requests_total", "Requests of home networks."), &["outcome"])?,
            peers: IntGaugeVec::new(opts("peer_up", "Whether a peer takes requests."), &["peer"])?,
            realms: IntGaugeVec::new(opts("realm_peers_up", "Peers of a realm that take requests."), &["realm"])?,
            gateways: IntGauge::with_opts(opts("gateways", "Gateways that are connected."))?,
            registry,
        };
        let all: [Box<dyn prometheus::core::Collector>; 10] = [
            Box::new(metrics.results.clone()),
            Box::new(metrics.requests.clone()),
            Box::new(metrics.durations.clone()),
            Box::new(metrics.repeated.clone()),
            Box::new(metrics.over_quota.clone()),
            Box::new(metrics.filtered.clone()),
            Box::new(metrics.backward.clone()),
            Box::new(metrics.peers.clone()),
            Box::new(metrics.realms.clone()),
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
            Metric::Result { command, realm, outcome, cause, result, took } => {
                let cause = if *cause == 0 { String::new() } else { cause.to_string() };
                self.requests.with_label_values(&[command, realm.as_str(), outcome, cause.as_str()]).inc();
                self.durations.with_label_values(&[command, realm.as_str()]).observe(took.as_secs_f64());
                if let Some(result) = result {
                    self.results.with_label_values(&[realm.as_str(), &self.word(*result)]).inc();
                }
            }
            Metric::Repeated => self.repeated.inc(),
            Metric::OverQuota => self.over_quota.inc(),
            Metric::Filtered(why) => self.filtered.with_label_values(&[why]).inc(),
            Metric::Backward(outcome) => self.backward.with_label_values(&[outcome]).inc(),
        }
    }

    /// A result as a label.
    fn word(&self, result: Outcome) -> String {
        let (vendor, code) = match result {
            Outcome::Base(code) => (0, code.0),
            Outcome::Experimental { vendor, code } => (vendor, code),
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = known.contains(&(vendor, code)) || known.len() < RESULTS && known.insert((vendor, code));
        if fits { crate::operate::result(vendor, code) } else { "other".to_owned() }
    }

    /// What became of requests since the daemon began, by realm.
    pub fn realms(&self) -> BTreeMap<String, Counts> {
        let mut realms: BTreeMap<String, Counts> = BTreeMap::new();
        let label = |metric: &proto::Metric, name: &str| {
            metric.get_label().iter().find(|it| it.name() == name).map(|it| it.value().to_owned()).unwrap_or_default()
        };
        for metric in self.requests.collect().iter().flat_map(|family| family.get_metric()) {
            let (counts, value) = (realms.entry(label(metric, "realm")).or_default(), metric.get_counter().get_value());
            counts.asked += value as u64;
            counts.unanswered += if label(metric, "outcome") == "unavailable" { value as u64 } else { 0 };
        }
        for metric in self.durations.collect().iter().flat_map(|family| family.get_metric()) {
            let (counts, times) = (realms.entry(label(metric, "realm")).or_default(), metric.get_histogram());
            let quick = times.get_bucket().iter().filter(|bucket| bucket.upper_bound() <= SLOW);
            let quick = quick.map(proto::Bucket::cumulative_count).max().unwrap_or(0);
            counts.slow += times.get_sample_count() - quick.min(times.get_sample_count());
        }
        realms
    }

    /// All of them by name and labels, for an orchestrator: counters and gauges as they are, histograms as Prometheus writes them.
    /// `named`: realms that the configuration names.
    pub fn values(&self, named: &BTreeSet<String>, peers: &[(PeerStatus, Vec<String>)]) -> BTreeMap<String, f64> {
        self.stand(named, peers);
        let mut values = BTreeMap::new();
        for family in self.registry.gather() {
            for metric in family.get_metric() {
                let list: Vec<String> =
                    metric.get_label().iter().map(|it| format!("{}=\"{}\"", it.name(), it.value())).collect();
                let labels = if list.is_empty() { String::new() } else { format!("{{{}}}", list.join(",")) };
                let value = match family.get_field_type() {
                    MetricType::COUNTER => metric.get_counter().get_value(),
                    MetricType::GAUGE => metric.get_gauge().get_value(),
                    MetricType::HISTOGRAM => {
                        histogram(&mut values, family.name(), &list, metric.get_histogram());
                        continue;
                    }
                    _ => continue,
                };
                values.insert(format!("{}{labels}", family.name()), value);
            }
        }
        for (peer, _) in peers {
            let of = |name: &str| format!("basalt_feg_{name}{{peer=\"{}\"}}", peer.host);
            values.insert(of("peer_losses_total"), peer.losses as f64);
            values.insert(of("peer_answers_total"), peer.answers as f64);
        }
        values
    }

    /// How peers and realms stand now; those of former configurations are no more.
    fn stand(&self, named: &BTreeSet<String>, peers: &[(PeerStatus, Vec<String>)]) {
        self.peers.reset();
        for (peer, _) in peers {
            self.peers.with_label_values(&[peer.host.as_str()]).set(peer.up.into());
        }
        self.realms.reset();
        for realm in named {
            let (_, up) = ways(realm, peers);
            self.realms.with_label_values(&[realm.as_str()]).set(i64::try_from(up).unwrap_or(i64::MAX));
        }
    }

    fn text(&self, named: &BTreeSet<String>, peers: &[(PeerStatus, Vec<String>)]) -> Vec<u8> {
        self.stand(named, peers);
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "metrics cannot be written as text");
        }
        text.extend(of_peers(peers).into_bytes());
        text
    }
}

/// Buckets, sum and count; labels in the order of their names.
fn histogram(values: &mut BTreeMap<String, f64>, name: &str, labels: &[String], times: &proto::Histogram) {
    let with = |bound: &str| {
        let mut all = labels.to_vec();
        all.push(format!("le=\"{bound}\""));
        all.sort();
        all.join(",")
    };
    for bucket in times.get_bucket() {
        let bound = bucket.upper_bound().to_string();
        values.insert(format!("{name}_bucket{{{}}}", with(&bound)), bucket.cumulative_count() as f64);
    }
    let (sum, count, labels) = (times.get_sample_sum(), times.get_sample_count() as f64, labels.join(","));
    values.insert(format!("{name}_bucket{{{}}}", with("+Inf")), count);
    values.insert(format!("{name}_sum{{{labels}}}"), sum);
    values.insert(format!("{name}_count{{{labels}}}"), count);
}

/// What the Diameter side counts itself.
fn of_peers(peers: &[(PeerStatus, Vec<String>)]) -> String {
    let mut text = String::new();
    let head = |text: &mut String, name: &str, kind: &str, help: &str| {
        let _ = writeln!(text, "# HELP basalt_feg_{name} {help}\n# TYPE basalt_feg_{name} {kind}");
    };
    head(&mut text, "peer_results_total", "counter", "Answers of a peer by result.");
    for (peer, _) in peers {
        for ((vendor, code), count) in &peer.results {
            let result = crate::operate::result(*vendor, *code);
            let _ =
                writeln!(text, "basalt_feg_peer_results_total{{peer=\"{}\",result=\"{result}\"}} {count}", peer.host);
        }
    }
    head(&mut text, "peer_losses_total", "counter", "How often a peer was lost.");
    for (peer, _) in peers {
        let _ = writeln!(text, "basalt_feg_peer_losses_total{{peer=\"{}\"}} {}", peer.host, peer.losses);
    }
    head(&mut text, "peer_strays_total", "counter", "Answers of a peer that fit no request: late, or lies.");
    for (peer, _) in peers {
        let _ = writeln!(text, "basalt_feg_peer_strays_total{{peer=\"{}\"}} {}", peer.host, peer.strays);
    }
    head(&mut text, "peer_latency_seconds", "histogram", "From sending a request to a peer to its answer.");
    for (peer, _) in peers {
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
pub async fn serve(address: SocketAddr, metrics: Metrics, operator: Arc<Operator>) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot serve metrics on {address}: set `metrics` to another address"))?;
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let (metrics, operator) = (metrics.clone(), Arc::clone(&operator));
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                let (metrics, operator) = (metrics.clone(), Arc::clone(&operator));
                async move {
                    if request.uri().path() != "/metrics" {
                        return Ok::<_, Infallible>(answer(StatusCode::NOT_FOUND, b"look at /metrics\n".to_vec()));
                    }
                    let text = metrics.text(&operator.realms(), &operator.statuses().await);
                    Ok(answer(StatusCode::OK, text))
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
    use basalt_diameter::ResultCode;
    use std::time::Duration;

    fn ended(realm: &str, result: Option<Outcome>, took: Duration) -> Metric {
        let outcome = if result.is_some() { "granted" } else { "unavailable" };
        Metric::Result { command: "AIR", realm: realm.to_owned(), outcome, cause: 0, result, took }
    }

    #[test]
    fn realms_have_results_and_times_for_an_orchestrator() {
        let metrics = Metrics::new().unwrap();
        let good = Some(Outcome::Base(ResultCode(2001)));
        metrics.count(&ended("home.example", good, Duration::from_millis(3)));
        metrics.count(&ended("home.example", good, Duration::from_secs(2)));
        metrics.count(&ended("home.example", None, Duration::from_secs(3)));
        let named = BTreeSet::from(["home.example".to_owned(), "other.example".to_owned()]);
        let peer = |up| PeerStatus { up, ..PeerStatus::of("hss.home.example") };
        let realms = || vec!["home.example".to_owned()];
        let values = metrics.values(&named, &[(peer(true), realms()), (peer(false), realms())]);
        let of = |name: &str| values.get(name).copied();
        assert_eq!(of("basalt_feg_results_total{realm=\"home.example\",result=\"2001\"}"), Some(2.0));
        let up = |realm: &str| of(&format!("basalt_feg_realm_peers_up{{realm=\"{realm}\"}}"));
        assert_eq!((up("home.example"), up("other.example")), (Some(1.0), Some(0.0)));
        let times = "basalt_feg_request_duration_seconds";
        let bucket = |bound: &str| format!("{times}_bucket{{command=\"AIR\",le=\"{bound}\",realm=\"home.example\"}}");
        assert_eq!((of(&bucket("0.005")), of(&bucket("+Inf"))), (Some(1.0), Some(3.0)), "{values:?}");
        assert_eq!(of(&format!("{times}_count{{command=\"AIR\",realm=\"home.example\"}}")), Some(3.0));
        let counts = Counts { asked: 3, unanswered: 1, slow: 2 };
        assert_eq!(metrics.realms(), BTreeMap::from([("home.example".to_owned(), counts)]));
    }

    #[test]
    fn a_peer_cannot_make_labels_without_end() {
        let metrics = Metrics::new().unwrap();
        for code in 0..1_000 {
            let result = Some(Outcome::Experimental { vendor: 10_415, code });
            metrics.count(&ended("home.example", result, Duration::ZERO));
        }
        let values = metrics.values(&BTreeSet::new(), &[]);
        let names: Vec<&String> = values.keys().filter(|name| name.starts_with("basalt_feg_results_total")).collect();
        assert_eq!(names.len(), RESULTS + 1);
        assert_eq!(values["basalt_feg_results_total{realm=\"home.example\",result=\"other\"}"], 936.0);
    }
}
