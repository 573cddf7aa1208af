//! The gate: every request goes through here, and through nothing else.
//!
//! ```text
//! address known? -> who asks? -> may he? -> body within bounds -> seen before? -> the work -> audit -> answer
//! ```

mod answer;
mod call;

use crate::access::Place;
use crate::{
    JoinPoint, MetricsServer, Need, Oidc, Operation, Problem, Role, Route, Watchers, accounts, alarms, backup,
    config_rollouts, export, gateways, import, inventory, jobs, live, numbers, objects, oidc, packing, proxy, releases,
    routes, session, traces, users, watch, webhooks,
};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{Response, header};
use axum::routing::{MethodFilter, on};
use basalt_security::SealingKey;
use orchestrator_db::{AuditEntry, Replay, Repository, Target};
use orchestrator_model::Kind;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) use answer::Answer;
use answer::{guard, refuse, respond};
pub(crate) use call::{Call, malformed, target};

/// Octets of a body, and of an import.
const BODY: usize = 1 << 20;
const IMPORT: usize = 64 << 20;
/// How long a body may take to come.
const BODY_TIME: Duration = Duration::from_secs(60);
/// How long an answer is kept for a request that comes again, milliseconds.
const REPLAY_TIME: i64 = 24 * 3600 * 1000;

/// What the interface works with.
#[derive(Clone)]
pub struct State {
    /// The memory.
    pub db: Arc<dyn Repository>,
    /// Seals secrets.
    pub key: SealingKey,
    /// What is counted.
    pub counters: Arc<Counters>,
    /// Where gateways join; `None` when they cannot.
    pub join: Option<JoinPoint>,
    /// Browsers come over TLS: cookies are for TLS alone, and browsers are told to stay with it.
    pub secure: bool,
    /// Where people log in besides here.
    pub oidc: Arc<Oidc>,
    /// A metrics server that queries are passed on to, if there is one.
    pub metrics_server: Option<Arc<MetricsServer>>,
    /// Where people find Grafana.
    pub grafana: Option<String>,
    /// Who watches.
    pub watchers: Arc<Watchers>,
    /// Becomes true when the process stops: streams end then.
    pub stop: tokio::sync::watch::Receiver<bool>,
}

/// What is counted since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Answers by class of status: 1xx to 5xx.
    pub answers: [AtomicU64; 5],
    /// Failed logins.
    pub failed_logins: AtomicU64,
}

/// What is answered when nothing is refused.
enum Reply {
    Answer(Answer),
    /// An answer that goes on.
    Stream(Response<Body>),
}

impl Reply {
    fn status(&self) -> u16 {
        match self {
            Self::Answer(answer) => answer.status,
            Self::Stream(response) => response.status().as_u16(),
        }
    }
}

/// The listener's router: each route of the table with the gate before it.
pub fn router(state: State) -> Router {
    let mut router = Router::new();
    for route in routes() {
        let filter = match route.method {
            "PUT" => MethodFilter::PUT,
            "PATCH" => MethodFilter::PATCH,
            "POST" => MethodFilter::POST,
            "DELETE" => MethodFilter::DELETE,
            _ => MethodFilter::GET,
        };
        let (path, route, state) = (route.path.clone(), Arc::new(route), state.clone());
        let serve = move |request: Request| {
            let (route, state) = (Arc::clone(&route), state.clone());
            async move { serve(state, &route, request).await }
        };
        router = router.route(&path, on(filter, serve));
    }
    let counters = Arc::clone(&state.counters);
    router.fallback(move || {
        let answer = refuse(&counters, &Problem::not_found());
        async move { answer }
    })
}

async fn serve(state: State, route: &Route, request: Request) -> Response<Body> {
    let counters = Arc::clone(&state.counters);
    let mut reachable = state.db.reachable();
    let packed = packing::may(route).then(|| packing::is_wanted(request.headers()));
    let passed = tokio::select! {
        passed = pass(state, route, request) => passed,
        // Whoever is told so at once can ask another replica.
        Ok(_) = reachable.wait_for(|reachable| !*reachable) => Err(Problem::no_database()),
    };
    match passed {
        Ok(Reply::Answer(answer)) => respond(&counters, answer, packed),
        Ok(Reply::Stream(response)) => guard(&counters, response),
        Err(problem) => refuse(&counters, &problem),
    }
}

async fn pass(state: State, route: &Route, request: Request) -> Result<Reply, Problem> {
    let (head, body) = request.into_parts();
    let now = now();
    let caller = session::authenticate(&state, route.need, route.method, &head.headers, now).await?;
    let Places { tenant, network, name } = places(route, head.uri.path())?;
    let path = head.uri.path().to_owned();
    let mut call = Call {
        state,
        operation: route.operation,
        caller,
        tenant,
        network,
        name,
        query: query(head.uri.query().unwrap_or_default())?,
        headers: head.headers,
        body: Vec::new(),
        now,
        replay: None,
    };
    let result = async {
        authorise(&call, route.need).await?;
        if call.operation == Operation::Watch || watch::is_wanted(&call) {
            return watch::begin(&call, route.need).await.map(Reply::Stream);
        }
        if call.operation == Operation::Scrape {
            return numbers::scrape(&call).await.map(Reply::Stream);
        }
        if call.operation == Operation::MetricsQuery {
            return proxy::query(&call, &path).await.map(Reply::Stream);
        }
        if call.operation == Operation::TraceCapture {
            return traces::capture(&call).await.map(Reply::Stream);
        }
        if let Operation::List(_) | Operation::Audit | Operation::Events = call.operation
            && let Some(form) = export::form(&call)?
        {
            return match call.operation {
                Operation::List(kind) => export::objects(&call, kind, form).map(Reply::Stream),
                Operation::Events => export::events(&call, form).map(Reply::Stream),
                _ => export::audit(&call, form).map(Reply::Stream),
            };
        }
        call.body = read(&call, body).await?;
        if call.operation == Operation::Backup {
            return backup::begin(&call).map(Reply::Stream);
        }
        replayed(&mut call, route).await.map(Reply::Answer)
    }
    .await;
    // An answer that goes on cannot be looked at from another thread: its status can.
    let outcome = result.as_ref().map_or_else(|problem| problem.status, Reply::status);
    audit(&call, route, &path, outcome).await?;
    result
}

/// The one place where rights are checked.
pub(crate) async fn authorise(call: &Call, need: Need) -> Result<(), Problem> {
    let (caller, role) = match need {
        Need::Nothing => return Ok(()),
        Need::Somebody => return call.caller().map(|_| ()),
        Need::Everywhere(role) => {
            let caller = call.caller()?;
            return if caller.may(role, Place::Installation) { Ok(()) } else { Err(Problem::forbidden()) };
        }
        Need::InTenant(role) => return authorise_tenant(call, role).await,
        Need::InNetwork(role) => (call.caller()?, role),
    };
    let target = Target { kind: Kind::Network, network: String::new(), name: call.network.clone() };
    let Some(network) = call.state.db.object(&target).await? else {
        // Of a network that is not there, only its making goes on; there the tenant of the body decides.
        return if call.operation == Operation::Put(Kind::Network) { Ok(()) } else { Err(Problem::not_found()) };
    };
    let tenant = network.body.get("tenant").and_then(Value::as_str).unwrap_or_default();
    let place = Place::Network { name: &call.network, tenant };
    if caller.may(role, place) {
        return Ok(());
    }
    // What somebody may not even see does not exist for him.
    Err(if caller.may(Role::Viewer, place) { Problem::forbidden() } else { Problem::not_found() })
}

async fn authorise_tenant(call: &Call, role: Role) -> Result<(), Problem> {
    let (caller, place) = (call.caller()?, Place::Tenant(&call.tenant));
    if !caller.may(Role::Viewer, place) {
        return Err(Problem::not_found());
    }
    let target = Target { kind: Kind::Tenant, network: String::new(), name: call.tenant.clone() };
    if call.state.db.object(&target).await?.is_none() {
        return Err(Problem::not_found());
    }
    if caller.may(role, place) { Ok(()) } else { Err(Problem::forbidden()) }
}

/// The names in an address.
#[derive(Default)]
struct Places {
    tenant: String,
    network: String,
    name: String,
}

fn places(route: &Route, path: &str) -> Result<Places, Problem> {
    let mut places = Places::default();
    for (pattern, part) in route.path.split('/').zip(path.split('/')) {
        let slot = match pattern {
            "{tenant}" => &mut places.tenant,
            "{network}" => &mut places.network,
            "{name}" => &mut places.name,
            _ => continue,
        };
        // Names need no escapes; an escaped one is no name.
        if !part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-:@".contains(&b)) {
            return Err(Problem::not_found());
        }
        part.clone_into(slot);
    }
    Ok(places)
}

fn query(text: &str) -> Result<Vec<(String, String)>, Problem> {
    let decode = |text: &str| {
        let mut octets = Vec::with_capacity(text.len());
        let mut rest = text.bytes();
        while let Some(octet) = rest.next() {
            octets.push(match octet {
                b'+' => b' ',
                b'%' => {
                    let digit = |octet: Option<u8>| char::from(octet?).to_digit(16);
                    let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                    u8::try_from(high * 16 + low).ok()?
                }
                other => other,
            });
        }
        String::from_utf8(octets).ok()
    };
    let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decode(key)?, decode(value)?))
    });
    pairs.collect::<Option<_>>().ok_or_else(|| Problem::bad("the query cannot be decoded"))
}

async fn read(call: &Call, body: Body) -> Result<Vec<u8>, Problem> {
    // A packed body could be a bomb.
    if call.headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return Err(Problem::new(415, "unsupported-coding", "send the body without Content-Encoding"));
    }
    let most = if matches!(call.operation, Operation::Import(_)) { IMPORT } else { BODY };
    let too_large = || Problem::new(413, "too-large", format!("at most {most} octets"));
    let told = call.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if told.is_some_and(|told| told > most) {
        return Err(too_large());
    }
    match tokio::time::timeout(BODY_TIME, to_bytes(body, most)).await {
        Ok(Ok(octets)) => Ok(octets.to_vec()),
        // Cut off or too large: the length tells, where there is one.
        Ok(Err(_)) if told.is_none() => Err(too_large()),
        Ok(Err(_)) => Err(Problem::bad("the body was cut off")),
        Err(_) => Err(Problem::new(408, "too-slow", "the body did not come in time")),
    }
}

/// A POST with an Idempotency-Key is worked on once; coming again it gets the same answer.
async fn replayed(call: &mut Call, route: &Route) -> Result<Answer, Problem> {
    let Some(id) = call.headers.get("idempotency-key").filter(|_| route.method == "POST") else {
        return work(call).await;
    };
    let who = call.caller()?.name.clone();
    let id = id.to_str().ok().filter(|id| (1..=255).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic()));
    let id = id.ok_or_else(|| Problem::bad("an Idempotency-Key has 1 to 255 visible characters"))?.to_owned();
    let mut content = format!("{} {} {}\n{:?}\n", route.path, call.network, call.name, call.query).into_bytes();
    content.extend_from_slice(&call.body);
    let request = crate::token::hex(&<sha2::Sha256 as sha2::Digest>::digest(&content));
    match call.state.db.replay(&who, &id, &request, call.now, call.now - REPLAY_TIME).await? {
        Replay::New => {}
        Replay::Other => {
            return Err(Problem::new(422, "key-reused", "this Idempotency-Key came with another request before"));
        }
        Replay::Running => {
            let detail = "the first request with this Idempotency-Key is not done yet";
            return Err(Problem::new(409, "still-running", detail));
        }
        Replay::Answered(kept) => {
            return serde_json::from_str(&kept).map_err(|_| Problem::new(500, "internal", "a kept answer is damaged"));
        }
    }
    // What changes objects keeps its answer with the change; the rest, and refusals, are settled here.
    call.replay = Some(id.clone());
    let result = work(call).await;
    let kept = result.as_ref().ok().map(Answer::kept);
    call.state.db.answered(&who, &id, kept.as_deref()).await?;
    result
}

async fn work(call: &Call) -> Result<Answer, Problem> {
    match call.operation {
        Operation::Document => Answer::ok(crate::document()),
        Operation::SetUp => accounts::set_up(call).await,
        Operation::Login => accounts::login(call).await,
        Operation::LoginOptions => oidc::options(call),
        Operation::BeginLogin => oidc::begin(call).await,
        Operation::FinishLogin => oidc::finish(call).await,
        Operation::Logout => accounts::logout(call).await,
        Operation::ListSessions => accounts::list_sessions(call).await,
        Operation::DeleteSession => accounts::delete_session(call).await,
        Operation::Me => accounts::me(call),
        Operation::ChangePassword => accounts::change_password(call).await,
        Operation::ListUsers => users::list(call).await,
        Operation::PutUser => users::put(call).await,
        Operation::DeleteUser => users::delete(call).await,
        Operation::ListKeys => accounts::list_keys(call).await,
        Operation::CreateKey => accounts::create_key(call).await,
        Operation::DeleteKey => accounts::delete_key(call).await,
        Operation::Audit => accounts::audit(call).await,
        Operation::List(kind) => objects::list(call, kind).await,
        Operation::Read(kind) => objects::read(call, kind).await,
        Operation::Put(kind) => objects::put(call, kind).await,
        Operation::CreateGatewayToken => gateways::create_token(call).await,
        Operation::ListGatewayTokens => gateways::list_tokens(call).await,
        Operation::DeleteGatewayToken => gateways::delete_token(call).await,
        Operation::GatewayStates => gateways::states(call).await,
        Operation::GatewayStatus => gateways::status(call).await,
        Operation::GatewayMetrics => gateways::metrics(call).await,
        Operation::GatewayCertificates => gateways::certificates(call).await,
        Operation::RevokeGateway => gateways::revoke(call).await,
        Operation::Events => gateways::events(call).await,
        Operation::Usage => gateways::usage(call).await,
        Operation::UsageSums => live::usage_sums(call).await,
        Operation::Phones => live::phones(call).await,
        Operation::BaseStations => live::base_stations(call).await,
        Operation::Overview => live::overview(call).await,
        Operation::ListDeliveries => webhooks::deliveries(call).await,
        Operation::TestWebhook => webhooks::test(call).await,
        Operation::ListJobs => jobs::list(call).await,
        Operation::ReadJob => jobs::read(call).await,
        Operation::History => numbers::history(call).await,
        Operation::Kpis => numbers::kpis(call).await,
        Operation::ListAlarms => alarms::list(call).await,
        Operation::ReadAlarm => alarms::read(call).await,
        Operation::ListAlarmRules => alarms::rules(),
        Operation::PreviewRule => alarms::preview(call).await,
        Operation::ListNotices => alarms::deliveries(call).await,
        Operation::TestReceiver => alarms::test(call).await,
        Operation::TmfAlarms => alarms::tmf_list(call).await,
        Operation::TmfAlarm => alarms::tmf_read(call).await,
        Operation::TmfResources => inventory::list(call).await,
        Operation::TmfResource => inventory::read(call).await,
        Operation::CreateRelease => releases::create(call).await,
        Operation::ListReleases => releases::list(call).await,
        Operation::ReadRelease => releases::read(call).await,
        Operation::PutReleaseData => releases::put_data(call).await,
        Operation::DeleteRelease => releases::delete(call).await,
        Operation::CreateRollout => releases::create_rollout(call).await,
        Operation::ListRollouts => releases::list_rollouts(call).await,
        Operation::ReadRollout => releases::rollout(call).await,
        Operation::ActRollout => releases::act(call).await,
        Operation::CreateConfigRollout => config_rollouts::create(call).await,
        Operation::ListConfigRollouts => config_rollouts::list(call).await,
        Operation::ReadConfigRollout => config_rollouts::read(call).await,
        Operation::ActConfigRollout => config_rollouts::act(call).await,
        // They are no answers of ours: the gate begins them.
        Operation::Watch
        | Operation::Backup
        | Operation::Scrape
        | Operation::MetricsQuery
        | Operation::TraceCapture => Err(Problem::not_found()),
        Operation::CreateTrace => traces::create(call).await,
        Operation::ListTraces => traces::list(call).await,
        Operation::ReadTrace => traces::read(call).await,
        Operation::DeleteTrace => traces::delete(call).await,
        Operation::TraceLadder => traces::ladder(call).await,
        Operation::CreateCommand => gateways::create_command(call).await,
        Operation::ListCommands => gateways::list_commands(call).await,
        Operation::ReadCommand => gateways::command(call).await,
        Operation::CommandData => gateways::command_data(call).await,
        Operation::Patch(kind) => objects::patch(call, kind).await,
        Operation::Delete(kind) => objects::delete(call, kind).await,
        Operation::Versions(kind) => objects::versions(call, kind).await,
        Operation::Rollback(kind) => objects::rollback(call, kind).await,
        Operation::Import(kind) => import::import(call, kind).await,
    }
}

/// Writes, and refusals of whatever kind, are written down.
async fn audit(call: &Call, route: &Route, path: &str, outcome: u16) -> Result<(), Problem> {
    let refused = matches!(outcome, 401 | 403 | 404) && call.caller.is_some();
    // Reading what was said about somebody is written down like a write.
    let looks = matches!(call.operation, Operation::TraceLadder | Operation::TraceCapture);
    if route.method == "GET" && !refused && !looks {
        return Ok(());
    }
    let entry = AuditEntry {
        id: 0,
        at: call.now,
        who: call.caller.as_ref().map(|caller| caller.name.clone()).unwrap_or_default(),
        network: call.network.clone(),
        action: route.method.to_owned(),
        target: path.chars().take(500).collect(),
        outcome: outcome.into(),
    };
    // Strangers fill the counters, not the disk.
    if call.caller.is_none() && outcome >= 400 {
        return Ok(());
    }
    Ok(call.state.db.audit(&entry).await?)
}

pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
