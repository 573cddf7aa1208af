//! Logging in at a provider of identity: the daemon against a provider that listens on the loopback and signs its own tokens.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../../db/tests/postgres/mod.rs"]
mod postgres;

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const CLIENT: &str = "basalt";
const SECRET: &str = "a client's secret";

fn base64url(octets: &[u8]) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: String = octets.iter().fold(String::new(), |mut all, octet| {
        write!(all, "{octet:08b}").unwrap();
        all
    });
    let six = |chunk: &[u8]| {
        let text = format!("{:0<6}", core::str::from_utf8(chunk).unwrap());
        char::from(alphabet[usize::from_str_radix(&text, 2).unwrap()])
    };
    bits.as_bytes().chunks(6).map(six).collect()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

struct Key {
    id: String,
    pair: EcdsaKeyPair,
}

impl Key {
    fn new(id: &str) -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
        Self { id: id.to_owned(), pair }
    }

    fn public(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.id,
               "x": base64url(&point[1..33]), "y": base64url(&point[33..])})
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        let signed =
            format!("{}.{}", base64url(header.to_string().as_bytes()), base64url(claims.to_string().as_bytes()));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", base64url(signature.as_ref()))
    }
}

/// What a provider knows: its keys, and what the next code is good for.
struct World {
    key: Key,
    /// By code: what the browser brought to the provider, and the token that it gives.
    codes: BTreeMap<String, (String, String)>,
    exchanges: Vec<u16>,
}

#[derive(Clone)]
struct Provider {
    issuer: String,
    world: Arc<Mutex<World>>,
}

impl Provider {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let world = World { key: Key::new("first"), codes: BTreeMap::new(), exchanges: Vec::new() };
        let it = Self { issuer, world: Arc::new(Mutex::new(world)) };
        let shared = it.clone();
        std::thread::spawn(move || listener.incoming().for_each(|stream| shared.answer(&stream.unwrap())));
        it
    }

    fn answer(&self, mut stream: &TcpStream) {
        let mut lines = BufReader::new(stream);
        let mut head = String::new();
        while lines.read_line(&mut head).unwrap_or(0) > 2 {}
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
        let mut body = vec![0; field("content-length: ").parse().unwrap_or(0)];
        lines.read_exact(&mut body).unwrap();
        let form = String::from_utf8(body).unwrap();
        let path = head.split(' ').nth(1).unwrap_or_default();
        let (status, answer) = match path {
            "/.well-known/openid-configuration" => (
                200,
                json!({"issuer": self.issuer,
                "authorization_endpoint": format!("{}/authorize", self.issuer),
                "token_endpoint": format!("{}/token", self.issuer), "jwks_uri": format!("{}/keys", self.issuer)}),
            ),
            // One that calls itself by its name, and wants secrets to be sent to a neighbour.
            "/astray/.well-known/openid-configuration" => (
                200,
                json!({"issuer": format!("{}/astray", self.issuer),
                "authorization_endpoint": format!("{}/authorize", self.issuer),
                "token_endpoint": "http://127.0.0.2:1/token", "jwks_uri": "http://169.254.169.254/keys"}),
            ),
            "/keys" => (200, json!({"keys": [{"kty": "unknown"}, self.world.lock().unwrap().key.public()]})),
            "/token" => self.exchange(&form, &field("authorization: ")),
            _ => (404, Value::Null),
        };
        let text = answer.to_string();
        let length = text.len();
        // Whoever has gone does not want it.
        let _ = write!(stream, "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{text}");
    }

    /// RFC 7636 §4.6, RFC 6749 §2.3.1.
    fn exchange(&self, form: &str, authorization: &str) -> (u16, Value) {
        let fields: BTreeMap<&str, &str> = form.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let mut world = self.world.lock().unwrap();
        let known = world.codes.remove(fields.get("code").copied().unwrap_or_default());
        let proven = |challenge: &str| base64url(&Sha256::digest(fields["code_verifier"].as_bytes())) == challenge;
        // "basalt:a%20client%27s%20secret" in base64.
        let ours = authorization == "Basic YmFzYWx0OmElMjBjbGllbnQlMjdzJTIwc2VjcmV0";
        let answer = match known {
            Some((challenge, token)) if ours && proven(&challenge) => {
                (200, json!({"id_token": token, "token_type": "Bearer"}))
            }
            _ => (400, json!({"error": "invalid_grant"})),
        };
        world.exchanges.push(answer.0);
        answer
    }
}

struct Daemon {
    process: Child,
    address: String,
    token: String,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An answer: status, head, document.
struct Answer {
    status: u16,
    head: String,
    body: Value,
}

impl Answer {
    fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name))
    }

    fn cookie(&self) -> Option<&str> {
        self.field("set-cookie: ")?.split(';').next()
    }
}

impl Daemon {
    fn start(folder: &Path, provider: &Provider, database: Option<&str>) -> Self {
        let secret = folder.join("client-secret");
        std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
        let one = |name: &str, issuer: &str, more: &str| {
            format!(
                "[[oidc]]\nname = \"{name}\"\ntitle = \"Company\"\nissuer = \"{issuer}\"\nclient_id = \"{CLIENT}\"\n\
                 client_secret_file = \"{}\"\n{more}\n[[oidc.grants]]\ngroup = \"noc\"\nrole = \"operator\"\nscope = \"everything\"\n\
                 [[oidc.grants]]\ngroup = \"lab\"\nrole = \"admin\"\nscope = {{ network = \"lab\" }}\n",
                secret.display()
            )
        };
        let text = format!(
            "public_url = \"https://core.example/\"\noidc_allow = [\"127.0.0.1/32\"]\n{}{}{}",
            one("company", &provider.issuer, ""),
            one("customer", &provider.issuer, "tenant = \"acme\""),
            one("astray", &format!("{}/astray", provider.issuer), "")
        );
        let config = folder.join("orchestratord.toml");
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_orchestratord"));
        command
            .args(["--listen", "127.0.0.1:0", "--gateway-listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder.join("data"));
        command.arg("--config").arg(config).stdout(Stdio::piped()).stderr(Stdio::null());
        if let Some(database) = database {
            command.args(["--database", database]);
        }
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let address = first.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap().to_owned();
        let token = lines.next().unwrap().unwrap().split('#').nth(1).unwrap().to_owned();
        Self { process, address, token }
    }

    fn ask(&self, request: &str, cookie: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let (host, length) = (&self.address, body.len());
        let head = format!("host: {host}\r\nconnection: close\r\ncookie: {cookie}\r\ncontent-length: {length}");
        write!(stream, "{request} HTTP/1.1\r\n{head}\r\n\r\n{body}").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: serde_json::from_str(body).unwrap_or_default() }
    }

    /// The browser is sent to the provider: its cookie, and what it brings there.
    fn begin(&self, name: &str) -> (String, BTreeMap<String, String>) {
        let sent = self.ask(&format!("GET /api/v1/login/oidc/{name}?return_to=/n/lab"), "", "");
        assert_eq!(sent.status, 303, "{}", sent.head);
        let cookie = sent.field("set-cookie: ").unwrap();
        assert!(cookie.contains("; HttpOnly; SameSite=Lax"), "{cookie}");
        let query = sent.field("location: ").unwrap().split_once("/authorize?").unwrap().1;
        let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap());
        let brought: BTreeMap<_, _> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        (sent.cookie().unwrap().to_owned(), brought)
    }

    fn login(&self, provider: &Provider, name: &str, claims: &Value) -> Answer {
        let id = provider.world.lock().unwrap().key.id.clone();
        self.login_by(provider, name, &json!({"alg": "ES256", "kid": id}), claims, None)
    }

    /// All of a login, with a token of these parts, signed by the provider or somebody else.
    fn login_by(
        &self,
        provider: &Provider,
        name: &str,
        header: &Value,
        claims: &Value,
        signer: Option<&Key>,
    ) -> Answer {
        let (cookie, brought) = self.begin(name);
        assert_eq!((brought["response_type"].as_str(), brought["code_challenge_method"].as_str()), ("code", "S256"));
        assert!(
            brought["redirect_uri"].ends_with(&format!("core.example%2Fapi%2Fv1%2Flogin%2Foidc%2F{name}%2Fcallback"))
        );
        let mut all = json!({"iss": provider.issuer, "aud": CLIENT, "iat": now(), "exp": now() + 300, "sub": "1",
                             "nonce": brought["nonce"], "preferred_username": "ann", "groups": ["noc"]});
        for (name, value) in claims.as_object().unwrap() {
            all[name] = value.clone();
        }
        let mut world = provider.world.lock().unwrap();
        let token = signer.unwrap_or(&world.key).token(header, &all);
        world.codes.insert("code".to_owned(), (brought["code_challenge"].clone(), token));
        drop(world);
        self.ask(&format!("GET /api/v1/login/oidc/{name}/callback?code=code&state={}", brought["state"]), &cookie, "")
    }

    fn me(&self, cookie: &str) -> Answer {
        self.ask("GET /api/v1/me", cookie, "")
    }
}

fn story(database: Option<&str>) {
    let folder = tempfile::tempdir().unwrap();
    let provider = Provider::start();
    let at = Daemon::start(folder.path(), &provider, database);
    let setup = json!({"token": at.token, "name": "root", "password": "correct horse battery"}).to_string();
    assert_eq!(at.ask("POST /api/v1/setup", "", &setup).status, 201);
    let options = at.ask("GET /api/v1/login/options", "", "").body;
    assert_eq!(
        options["providers"][0],
        json!({"name": "company", "title": "Company", "href": "/api/v1/login/oidc/company"})
    );
    who_is_good_is_in(&at, &provider);
    what_is_not_the_providers_word_is_refused(&at, &provider);
    nobody_takes_anothers_name(&at, &provider);
    keys_may_change(&at, &provider);
    // What the provider says of itself leads nowhere inside (A11).
    assert_eq!(at.ask("GET /api/v1/login/oidc/astray", "", "").status, 503);
    assert_eq!(at.ask("GET /api/v1/login/oidc/none", "", "").status, 404);
}

fn who_is_good_is_in(at: &Daemon, provider: &Provider) {
    let done = at.login(provider, "company", &json!({}));
    assert_eq!((done.status, done.field("location: ")), (303, Some("/n/lab")), "{}", done.head);
    assert!(done.field("set-cookie: ").unwrap().contains("SameSite=Strict"));
    let me = at.me(done.cookie().unwrap()).body;
    assert_eq!(me["name"], "ann");
    assert_eq!(me["grants"], json!([{"role": "operator", "scope": "everything"}]));
    assert!(me["csrf_token"].is_string());
    // Other groups, other rights; in none that counts, none: also for the session that there is.
    let moved = at.login(provider, "company", &json!({"groups": ["lab"]}));
    assert_eq!(at.me(moved.cookie().unwrap()).body["grants"], json!([{"role": "admin", "scope": {"network": "lab"}}]));
    assert_eq!(at.login(provider, "company", &json!({"groups": ["others"]})).status, 403);
    assert_eq!(at.me(moved.cookie().unwrap()).status, 401);
    // A tenant's provider makes that tenant's users.
    let customer = at.login(provider, "customer", &json!({}));
    assert_eq!(at.me(customer.cookie().unwrap()).body["tenant"], "acme");
    // No password is the user's.
    let guess = r#"{"name":"ann","password":""}"#;
    assert_eq!(at.ask("POST /api/v1/sessions", "", guess).status, 401);
}

fn what_is_not_the_providers_word_is_refused(at: &Daemon, provider: &Provider) {
    let good = json!({"alg": "ES256", "kid": "first"});
    let stranger = Key::new("first");
    let before = provider.world.lock().unwrap().exchanges.len();
    for (claims, header, signer) in [
        (json!({"nonce": "another"}), &good, None),
        (json!({"aud": "another"}), &good, None),
        (json!({"iss": "https://another.example"}), &good, None),
        (json!({"exp": now() - 120}), &good, None),
        (json!({"iat": now() + 120}), &good, None),
        (json!({}), &json!({"alg": "none"}), None),
        (json!({}), &json!({"alg": "HS256", "kid": "first"}), None),
        (json!({}), &json!({"alg": "ES256", "kid": "../../dev/null"}), None),
        (json!({}), &good, Some(&stranger)),
    ] {
        let done = at.login_by(provider, "company", header, &claims, signer);
        assert_eq!((done.status, done.cookie()), (401, None), "{claims} {header}: {}", done.body);
    }
    assert_eq!(provider.world.lock().unwrap().exchanges[before..], [200; 9], "the tokens were looked at");
    // Clocks may differ by a minute.
    assert_eq!(at.login(provider, "company", &json!({"iat": now() + 30, "exp": now() - 30})).status, 303);
    // Without the cookie of the browser that began, with another's state, with the provider's refusal.
    let (cookie, brought) = at.begin("company");
    let back = |query: &str, cookie: &str| {
        at.ask(&format!("GET /api/v1/login/oidc/company/callback?{query}"), cookie, "").status
    };
    let good = format!("code=x&state={}", brought["state"]);
    assert_eq!(back(&good, ""), 401);
    assert_eq!(back(&good, "basalt-login=00"), 401);
    assert_eq!(back("code=x&state=another", &cookie), 401);
    assert_eq!(back(&format!("error=access_denied&{good}"), &cookie), 401);
    assert_eq!(back(&good, &cookie), 401, "a code that the provider does not know");
    let elsewhere = at.ask(&format!("GET /api/v1/login/oidc/customer/callback?{good}"), &cookie, "");
    assert_eq!(elsewhere.status, 401, "begun at another provider");
}

fn nobody_takes_anothers_name(at: &Daemon, provider: &Provider) {
    for claims in [json!({"preferred_username": "root"}), json!({"sub": "2"})] {
        let done = at.login(provider, "company", &claims);
        assert_eq!((done.status, done.cookie()), (403, None), "{claims}");
        assert_eq!(done.body["type"], "urn:basalt:problem:name-taken");
    }
    let login = r#"{"name":"root","password":"correct horse battery"}"#;
    assert_eq!(at.ask("POST /api/v1/sessions", "", login).status, 201, "the local user is as before");
}

fn keys_may_change(at: &Daemon, provider: &Provider) {
    provider.world.lock().unwrap().key = Key::new("second");
    let deadline = Instant::now() + Duration::from_secs(60);
    while at.login(provider, "company", &json!({})).status != 303 {
        assert!(Instant::now() < deadline, "the new key is not taken");
    }
}

#[test]
fn people_of_a_provider_log_in_and_nobody_else() {
    story(None);
}

#[test]
fn people_of_a_provider_log_in_over_postgres() {
    match postgres::Server::start() {
        Ok(server) => story(Some(&server.address())),
        Err(reason) => println!("skipped: {reason}"),
    }
}
