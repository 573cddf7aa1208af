//! Queries of a metrics server (Prometheus, VictoriaMetrics) for those who may see one network: each selector is narrowed to it, and
//! nothing else of the server can be reached.

use crate::gate::Call;
use crate::{Fetch, FetchRequest, Problem};
use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use orchestrator_telemetry::enforce::{enforce, enforce_selector};

/// A metrics server.
pub struct MetricsServer {
    /// Its address, without `/api/v1`.
    pub url: String,
    /// Asks it.
    pub fetch: Fetch,
}

/// What is passed on as it is, where it has the form of a time, a number or a span.
const PLAIN: [&str; 6] = ["time", "start", "end", "step", "timeout", "limit"];

/// Passes a query on.
pub(crate) async fn query(call: &Call, path: &str) -> Result<Response<Body>, Problem> {
    let none = || Problem::new(404, "no-metrics-server", "the orchestrator has no metrics server: set prometheus_url");
    let server = call.state.metrics_server.as_ref().ok_or_else(none)?;
    let what = path.split_once("/prometheus/").map(|(_, what)| what).ok_or_else(Problem::not_found)?;
    let form = narrowed(call, what)?;
    let url = format!("{}/{what}?{form}", server.url.trim_end_matches('/'));
    let asked = (server.fetch)(FetchRequest { url, form: None, basic: None }).await;
    let (status, body) = asked.map_err(|why| {
        tracing::warn!(why, "the metrics server");
        Problem::new(502, "metrics-server", "the metrics server cannot be asked now")
    })?;
    let mut response = Response::new(Body::from(body));
    // It says itself what is wrong with a query; whatever else it says is not for here.
    *response.status_mut() = match status {
        200 => StatusCode::OK,
        400 | 422 => StatusCode::UNPROCESSABLE_ENTITY,
        503 => StatusCode::SERVICE_UNAVAILABLE,
        _ => return Err(Problem::new(502, "metrics-server", format!("the metrics server answered {status}"))),
    };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// The parameters for the server.
fn narrowed(call: &Call, what: &str) -> Result<String, Problem> {
    let labels = [("network", call.network.as_str())];
    let refuse = |why: String| Problem::bad(format!("the query {why}"));
    let mut form = Vec::new();
    for (name, value) in &call.query {
        if PLAIN.contains(&name.as_str()) {
            if value.len() > 64 || !value.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.:".contains(&b)) {
                return Err(Problem::bad(format!("{name} is a time or a number")));
            }
            form.push((name.as_str(), value.clone()));
        }
    }
    if matches!(what, "api/v1/query" | "api/v1/query_range") {
        let query = call.parameter("query").ok_or_else(|| Problem::bad("query is missing"))?;
        form.push(("query", enforce(query, &labels).map_err(refuse)?));
    } else {
        let mut selectors: Vec<&str> =
            call.query.iter().filter(|(name, _)| name == "match[]").map(|(_, value)| value.as_str()).collect();
        if selectors.is_empty() {
            selectors.push("{__name__=~\".+\"}");
        }
        for selector in selectors {
            form.push(("match[]", enforce_selector(selector, &labels).map_err(refuse)?));
        }
    }
    Ok(form.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect::<Vec<_>>().join("&"))
}

/// As it stands in a query string.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            out.push(char::from(octet));
        } else {
            out.push_str(&format!("%{octet:02X}"));
        }
    }
    out
}
