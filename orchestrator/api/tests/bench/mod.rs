//! The interface over a database of its own.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use basalt_security::{SealingKey, Secret};
use http_body_util::BodyExt;
use orchestrator_api::{Counters, JoinPoint, State, digest_of, new_setup_token, router};
use orchestrator_db::{Repository, Settings, StoredToken, TokenKind, open};
use serde_json::{Value, json};
use std::sync::Arc;
use tempfile::TempDir;
use tower::ServiceExt;

pub const K: &str = "465b5ce8b199b49faa5f0a2ee238a6bc";
pub const OPC: &str = "e8ed289deba952e4283b54e88e6183ca";
pub const YEARS: i64 = 4_000_000_000_000;

pub struct Bench {
    pub db: Arc<dyn Repository>,
    pub setup: String,
    pub root: String,
    pub stop: tokio::sync::watch::Sender<bool>,
    router: Router,
    folder: TempDir,
}

impl Bench {
    /// Nothing but a setup token.
    pub async fn fresh() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("sqlite:{}", folder.path().join("db").display());
        let db = open(&Settings { address, connections: 4 }).await.unwrap();
        let key = SealingKey::from_octets(Secret::new([7; 32]));
        let join = JoinPoint { address: "core.example:8481".to_owned(), fingerprint: "ab".repeat(32) };
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let state = State {
            db: Arc::clone(&db),
            key,
            counters: Arc::new(Counters::default()),
            join: Some(join),
            secure: false,
            watchers: Arc::default(),
            stop: stopped,
        };
        let bench =
            Self { db, setup: new_setup_token().unwrap(), root: String::new(), stop, router: router(state), folder };
        bench.token(&bench.setup, "setup", TokenKind::Setup, "", YEARS).await;
        bench
    }

    /// With an administrator who has a session, a tenant and a network.
    pub async fn with_network(tenant: &str, network: &str) -> Self {
        let mut bench = Self::fresh().await;
        let setup = json!({"token": bench.setup, "name": "root", "password": "correct horse battery"});
        assert_eq!(bench.ask("POST", "/setup", None, &[], &setup.to_string()).await.0, 201);
        let login = json!({"name": "root", "password": "correct horse battery"});
        let (_, _, session) = bench.ask("POST", "/sessions", None, &[], &login.to_string()).await;
        bench.root = session["token"].as_str().unwrap().to_owned();
        bench.add_network(tenant, network).await;
        bench
    }

    pub async fn add_network(&self, tenant: &str, network: &str) {
        let root = Some(self.root.as_str());
        assert_eq!(self.ask("PUT", &format!("/tenants/{tenant}"), root, &[], "{}").await.0, 201);
        let body = json!({"tenant": tenant}).to_string();
        assert_eq!(self.ask("PUT", &format!("/networks/{network}"), root, &[], &body).await.0, 201);
    }

    /// Keeps a token as if it had been issued.
    pub async fn token(&self, token: &str, id: &str, kind: TokenKind, owner: &str, expires_at: i64) {
        let stored = StoredToken {
            digest: digest_of(token),
            id: id.to_owned(),
            kind,
            owner: owner.to_owned(),
            title: String::new(),
            grants: "[]".to_owned(),
            created_at: 1,
            expires_at,
        };
        self.db.put_token(&stored).await.unwrap();
    }

    /// One request: status, entity tag, body.
    pub async fn ask(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, String, Value) {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let bearer = bearer.as_deref().map(|bearer| ("authorization", bearer));
        let headers: Vec<_> = bearer.into_iter().chain(headers.iter().copied()).collect();
        let response = self.send(method, path, &headers, body).await;
        let status = response.status().as_u16();
        let tag = response.headers().get("etag").map(|tag| tag.to_str().unwrap().to_owned()).unwrap_or_default();
        assert!(status == 405 || response.headers()["x-content-type-options"] == "nosniff");
        if response.headers().get("content-type").is_some_and(|form| form == "text/event-stream") {
            // It has no end.
            return (status, tag, Value::Null);
        }
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, tag, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    /// One request with these headers alone, as a browser would send it.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response<Body> {
        let mut request = Request::builder().method(method).uri(format!("/api/v1{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.router.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap()
    }

    /// Whether the database's files hold a text.
    pub fn database_holds(&self, text: &str) -> bool {
        let files = std::fs::read_dir(self.folder.path()).unwrap().flatten();
        files
            .map(|file| std::fs::read(file.path()).unwrap())
            .any(|octets| octets.windows(text.len()).any(|part| part == text.as_bytes()))
    }
}
