//! Answers, and what is written around them.

use super::Counters;
use crate::{Problem, packing};
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::atomic::Ordering;

/// An answer that is no refusal. It can be kept, for a request that comes again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Option<Value>,
    /// A body that is written already, in the place of the other.
    #[serde(skip)]
    pub(crate) text: Option<String>,
    /// The revision that the entity tag tells.
    pub(crate) revision: Option<i64>,
    /// A cookie that is given or taken.
    #[serde(skip)]
    pub(crate) cookie: Option<String>,
    /// Where a browser goes on.
    #[serde(skip)]
    pub(crate) location: Option<String>,
}

impl Answer {
    pub(crate) fn ok(body: impl Serialize) -> Result<Self, Problem> {
        Self::with(200, body)
    }

    pub(crate) fn with(status: u16, body: impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_value(body).map_err(|_| Problem::new(500, "internal", "the answer has no form"))?;
        Ok(Self::of(status, body))
    }

    /// A body as it is.
    pub(crate) const fn of(status: u16, body: Value) -> Self {
        Self { status, body: Some(body), text: None, revision: None, cookie: None, location: None }
    }

    /// A body that is written already; for what is only read, and never kept for a request that comes again.
    pub(crate) const fn text(text: String) -> Self {
        Self { status: 200, body: None, text: Some(text), revision: None, cookie: None, location: None }
    }

    /// As it is kept for a request that comes again. A token is shown once, and then to nobody: it is kept without.
    pub(crate) fn kept(&self) -> String {
        let mut answer = self.clone();
        if let Some(Value::Object(body)) = &mut answer.body {
            body.remove("token");
            body.remove("command");
        }
        serde_json::to_string(&answer).unwrap_or_default()
    }

    pub(crate) const fn nothing() -> Self {
        Self { status: 204, body: None, text: None, revision: None, cookie: None, location: None }
    }

    /// Sends a browser elsewhere, with GET.
    pub(crate) const fn redirect(location: String) -> Self {
        Self { status: 303, body: None, text: None, revision: None, cookie: None, location: Some(location) }
    }
}

/// `packed` says whether the client takes gzip; `None` where nothing is packed, whatever it takes.
pub(super) fn respond(counters: &Counters, answer: Answer, packed: Option<bool>) -> Response<Body> {
    let body = answer.text.or_else(|| answer.body.map(|body| body.to_string()));
    let packed = packed.filter(|_| answer.revision.is_none());
    let small = body.as_ref().filter(|_| packed == Some(true)).and_then(|body| packing::pack(body));
    let is_small = small.is_some();
    let octets = small.or_else(|| body.map(String::into_bytes));
    let mut response = build(counters, answer.status, "application/json", octets);
    if packed.is_some() {
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    if is_small {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if let Some(tag) = answer.revision.and_then(|revision| HeaderValue::from_str(&format!("\"{revision}\"")).ok()) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    if let Some(cookie) = answer.cookie.and_then(|cookie| HeaderValue::from_str(&cookie).ok()) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    if let Some(location) = answer.location.and_then(|location| HeaderValue::from_str(&location).ok()) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

pub(super) fn refuse(counters: &Counters, problem: &Problem) -> Response<Body> {
    let body = serde_json::to_string(problem).unwrap_or_default();
    let mut response = build(counters, problem.status, "application/problem+json", Some(body.into_bytes()));
    if problem.status == 401 {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn build(counters: &Counters, status: u16, form: &'static str, body: Option<Vec<u8>>) -> Response<Body> {
    let mut response = Response::new(body.map_or_else(Body::empty, Body::from));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(form));
    guard(counters, response)
}

/// Counts an answer, and says in it that nothing of it is to be shown, framed, guessed or kept by a browser.
pub(super) fn guard(counters: &Counters, mut response: Response<Body>) -> Response<Body> {
    let class = usize::from(response.status().as_u16() / 100).saturating_sub(1).min(4);
    counters.answers[class].fetch_add(1, Ordering::Relaxed);
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
