//! The interface over a database of its own.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use basalt_security::{SealingKey, Secret};
use http_body_util::BodyExt;
use orchestrator_api::{Counters, JoinPoint, State, digest_of, new_setup_token, router};
use orchestrator_db::{Repository, Settings, StoredToken, TokenKind, open};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
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
    address: String,
    folder: TempDir,
}

impl Bench {
    /// Nothing but a setup token.
    pub async fn fresh() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = match std::env::var(POSTGRES) {
            Ok(server) => postgres_database(&server),
            Err(_) => format!("sqlite:{}", folder.path().join("db").display()),
        };
        let db = open(&Settings { address: address.clone(), connections: 4 }).await.unwrap();
        let key = SealingKey::from_octets(Secret::new([7; 32]));
        let join = JoinPoint {
            address: "core.example:8481".to_owned(),
            fingerprint: tokio::sync::watch::channel("ab".repeat(32)).1,
        };
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let state = State {
            db: Arc::clone(&db),
            key,
            counters: Arc::new(Counters::default()),
            join: Some(join),
            secure: false,
            oidc: Arc::default(),
            metrics_server: None,
            grafana: None,
            watchers: Arc::default(),
            stop: stopped,
        };
        let bench = Self {
            db,
            setup: new_setup_token().unwrap(),
            root: String::new(),
            stop,
            router: router(state),
            address,
            folder,
        };
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

    /// Whether the database's files, or a dump of it, hold a text.
    pub fn database_holds(&self, text: &str) -> bool {
        if self.address.starts_with("postgres") {
            let dump = Command::new(postgres_program("pg_dump")).arg(&self.address).output().unwrap();
            assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
            return String::from_utf8_lossy(&dump.stdout).contains(text);
        }
        let files = std::fs::read_dir(self.folder.path()).unwrap().flatten();
        files
            .map(|file| std::fs::read(file.path()).unwrap())
            .any(|octets| octets.windows(text.len()).any(|part| part == text.as_bytes()))
    }
}

/// Where a server of PostgreSQL is told to be, for the tests' second round.
pub const POSTGRES: &str = "BASALT_TEST_POSTGRES";

/// A new database of a server.
fn postgres_database(server: &str) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    let name = format!("bench{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let sql = format!("CREATE DATABASE {name} TEMPLATE template0");
    let made = Command::new(postgres_program("psql")).args(["-q", "-c", &sql, server]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    format!("{}/{name}", server.rsplit_once('/').unwrap().0)
}

fn postgres_program(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").unwrap().flatten();
    versions.map(|version| version.path().join("bin").join(name)).filter(|path| path.exists()).max().unwrap()
}
