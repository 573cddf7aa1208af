//! The console below `/`: files that were built before, or a page that says how to build them.
//!
//! Whatever is no file and looks like a page gets `index.html`, which finds its way by itself. What stands below `/assets` has a
//! hash in its name and may be kept for good; everything else is asked for again. The policy allows nothing from elsewhere and
//! no script but ours; styles that the console makes while it runs carry a number that is drawn for each page.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use axum::middleware::{Next, from_fn};
use orchestrator_api::accepts;
use std::borrow::Cow;

/// A file of the console.
#[derive(Debug)]
struct Embedded {
    path: &'static str,
    plain: &'static [u8],
    brotli: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
}

static FILES: &[Embedded] = include!(concat!(env!("OUT_DIR"), "/console.rs"));

/// What stands in `index.html` where the number of styles belongs.
const NONCE: &str = "__CSP_NONCE__";

/// What is not the console's: the interface, and what measures it.
const OTHERS: [&str; 3] = ["/api/", "/metrics", crate::tiles::PATH];

/// The console everywhere but where the interface is.
pub(crate) fn around(interface: Router) -> Router {
    interface.layer(from_fn(async |request: Request, next: Next| {
        if OTHERS.iter().any(|other| request.uri().path().starts_with(other)) {
            return next.run(request).await;
        }
        answer(FILES, request.method(), request.uri().path(), request.headers())
    }))
}

fn answer(files: &[Embedded], method: &Method, path: &str, headers: &HeaderMap) -> Response<Body> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return refuse(StatusCode::METHOD_NOT_ALLOWED);
    }
    if let Some(file) = files.iter().find(|file| file.path == path && path != "/index.html") {
        return of_file(file, headers);
    }
    // An address with a dot at its end, and all of the interface, names something that should be there.
    let last = path.rsplit('/').next().unwrap_or_default();
    let is_page = !path.starts_with("/api/") && !path.starts_with("/assets/") && form_of(last).is_none();
    if !is_page {
        return refuse(StatusCode::NOT_FOUND);
    }
    match files.iter().find(|file| file.path == "/index.html") {
        Some(index) => page(&String::from_utf8_lossy(index.plain)),
        None => page(include_str!("unbuilt.html")),
    }
}

fn of_file(file: &Embedded, headers: &HeaderMap) -> Response<Body> {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|told| told.to_str().ok()).unwrap_or_default();
    let (octets, encoding) = match (file.brotli, file.gzip) {
        (Some(octets), _) if accepts(accepted, "br") => (octets, Some("br")),
        (_, Some(octets)) if accepts(accepted, "gzip") => (octets, Some("gzip")),
        _ => (file.plain, None),
    };
    let mut response = Response::new(Body::from(octets));
    let kept = if file.path.starts_with("/assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    set(&mut response, header::CONTENT_TYPE, form_of(file.path).unwrap_or("application/octet-stream"));
    set(&mut response, header::CACHE_CONTROL, kept);
    set(&mut response, header::VARY, "accept-encoding");
    if let Some(encoding) = encoding {
        set(&mut response, header::CONTENT_ENCODING, encoding);
    }
    guarded(response)
}

fn page(text: &str) -> Response<Body> {
    let mut drawn = [0_u8; 16];
    // Without randomness the page has no styles of its own rather than a number that can be guessed.
    let nonce = match getrandom::fill(&mut drawn) {
        Ok(()) => drawn.iter().map(|octet| format!("{octet:02x}")).collect::<String>(),
        Err(_) => String::new(),
    };
    let styles = if nonce.is_empty() { String::new() } else { format!(" 'nonce-{nonce}'") };
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'{styles}; img-src 'self' data: blob:; font-src 'self'; \
         connect-src 'self'; manifest-src 'self'; worker-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    );
    let mut response = Response::new(Body::from(text.replace(NONCE, &nonce)));
    set(&mut response, header::CONTENT_TYPE, "text/html; charset=utf-8");
    set(&mut response, header::CACHE_CONTROL, "no-store");
    set(&mut response, header::CONTENT_SECURITY_POLICY, policy);
    guarded(response)
}

fn refuse(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    guarded(response)
}

fn guarded(mut response: Response<Body>) -> Response<Body> {
    set(&mut response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(&mut response, header::REFERRER_POLICY, "no-referrer");
    set(&mut response, header::X_FRAME_OPTIONS, "DENY");
    response
}

fn set(response: &mut Response<Body>, name: header::HeaderName, value: impl Into<Cow<'static, str>>) {
    if let Ok(value) = HeaderValue::from_str(&value.into()) {
        response.headers_mut().insert(name, value);
    }
}

/// The media type of a name with a known ending.
fn form_of(name: &str) -> Option<&'static str> {
    Some(match name.rsplit_once('.')?.1 {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "json" | "map" => "application/json",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        "pmtiles" => "application/octet-stream",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    static BUILT: &[Embedded] = &[
        Embedded { path: "/index.html", plain: b"<meta content=\"__CSP_NONCE__\">", brotli: None, gzip: None },
        Embedded { path: "/assets/a-1f.js", plain: b"plain", brotli: Some(b"br"), gzip: Some(b"gz") },
    ];

    fn get(files: &[Embedded], path: &str, encoding: &'static str) -> Response<Body> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(encoding));
        answer(files, &Method::GET, path, &headers)
    }

    fn told(response: &Response<Body>, name: header::HeaderName) -> &str {
        response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    async fn text(response: Response<Body>) -> String {
        String::from_utf8(axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn pages_get_the_index_with_a_number_of_their_own() {
        let (one, other) = (get(BUILT, "/", ""), get(BUILT, "/n/demo/subscribers/001010000000001", ""));
        let policy = told(&one, header::CONTENT_SECURITY_POLICY).to_owned();
        let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap().to_owned();
        assert_eq!(nonce.len(), 32);
        assert!(
            !policy.contains("unsafe") && !told(&other, header::CONTENT_SECURITY_POLICY).contains(&nonce),
            "{policy}"
        );
        assert_eq!(told(&one, header::CACHE_CONTROL), "no-store");
        assert_eq!(text(one).await, format!("<meta content=\"{nonce}\">"));
    }

    #[tokio::test]
    async fn assets_are_kept_and_come_as_the_browser_takes_them() {
        for (encoding, sent, octets) in [
            ("gzip, deflate, br", "br", "br"),
            ("gzip", "gzip", "gz"),
            ("br;q=0, gzip", "gzip", "gz"),
            ("", "", "plain"),
        ] {
            let response = get(BUILT, "/assets/a-1f.js", encoding);
            assert_eq!(told(&response, header::CONTENT_ENCODING), sent, "{encoding}");
            assert!(told(&response, header::CACHE_CONTROL).contains("immutable"));
            assert_eq!(text(response).await, octets);
        }
    }

    #[test]
    fn what_should_be_there_and_is_not_is_no_page() {
        for path in ["/assets/gone.js", "/api/v1/none", "/favicon.ico"] {
            assert_eq!(get(BUILT, path, "").status(), StatusCode::NOT_FOUND, "{path}");
        }
        let written = answer(BUILT, &Method::POST, "/", &HeaderMap::new());
        assert_eq!(written.status(), StatusCode::METHOD_NOT_ALLOWED);
    }

    #[tokio::test]
    async fn an_empty_build_says_how_to_fill_it() {
        assert!(text(get(&[], "/setup", "")).await.contains("cargo xtask console"));
    }
}
