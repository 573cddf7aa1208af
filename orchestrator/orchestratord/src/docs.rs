//! Swagger UI at `/api/docs`, from files that the daemon carries: nothing is fetched from elsewhere.
//!
//! Only the script and the style of the crate are served; the page is ours, so that it needs no script within it and the policy
//! stays as strict as the console's. It shows the document of the interface, and tries routes with the session of the browser.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::routing::get;
use swagger_ui_dist::{ApiDefinition, OpenApiSource, generate_routes};

const PAGE: &str = include_str!("docs/index.html");
const START: &str = include_str!("docs/start.js");
/// Where the crate's files are.
const ASSETS: &str = "/api/docs/assets";
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// The page and what it needs.
pub(crate) fn router() -> Router {
    let definition =
        ApiDefinition { uri_prefix: ASSETS, api_definition: OpenApiSource::Uri("/api/v1/openapi.json"), title: None };
    let page = || async { of(PAGE, "text/html; charset=utf-8") };
    let start = || async { of(START, "text/javascript; charset=utf-8") };
    let own = Router::new().route("/api/docs", get(page)).route("/api/docs/start.js", get(start));
    own.merge(generate_routes(definition)).layer(from_fn(async |request: Request, next: Next| {
        let path = request.uri().path();
        // The crate's own page, its maps for debuggers and its way back from OAuth are not for here.
        let foreign =
            path.starts_with(ASSETS) && !path.ends_with("/swagger-ui.css") && !path.ends_with("/swagger-ui-bundle.js");
        let mut response = if foreign { nothing() } else { next.run(request).await };
        for (name, value) in [
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::X_FRAME_OPTIONS, "DENY"),
            (header::CACHE_CONTROL, "no-cache"),
            (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        ] {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }))
}

fn of(text: &'static str, form: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(form));
    response
}

fn nothing() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}
