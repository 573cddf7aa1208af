//! People and programs: the first user, sessions, passwords, API keys; and the audit log.

use crate::gate::{Answer, Call};
use crate::token::{digest_of, new_token};
use crate::users::{self, check_name, hashed, shown, stored};
use crate::{Grant, Problem, Role, Scope, password, select, session};
use axum::http::header;
use orchestrator_db::{AuditEntry, StoredToken, TokenKind};
use serde::Deserialize;
use serde_json::json;
use std::sync::atomic::Ordering;
use utoipa::ToSchema;

/// A session lasts so long, milliseconds.
const SESSION: i64 = 12 * 3600 * 1000;
/// Sessions of one user; beyond that the oldest end.
const SESSIONS: usize = 50;
/// Failures in a row after which a user is locked, and for how long, milliseconds.
const FAILURES: i64 = 5;
const LOCKED: i64 = 5 * 60 * 1000;
/// Days of an API key at most.
const KEY_DAYS: u16 = 366;
const DAY: i64 = 24 * 3600 * 1000;

/// The first user.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Setup {
    /// The token of the setup link.
    token: String,
    /// The user's name.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    name: String,
    /// 12 to 256 characters.
    #[schema(write_only, min_length = 12, max_length = 256)]
    password: String,
}

/// A login.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    /// The user's name.
    name: String,
    /// The password.
    #[schema(write_only)]
    password: String,
    /// For browsers: the session is kept in a cookie that no script can read, and the answer has no token but a `csrf_token`,
    /// which writes show in the header `X-CSRF-Token`.
    #[serde(default)]
    cookie: bool,
}

/// Another password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordChange {
    /// The present one.
    #[schema(write_only)]
    current: String,
    /// 12 to 256 characters. All other sessions end.
    #[schema(write_only, min_length = 12, max_length = 256)]
    password: String,
}

/// A new API key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyRequest {
    /// Name for people, at most 200 characters.
    #[schema(max_length = 200, pattern = "^[^\\x00-\\x1F\\x7F-\\x9F]*$")]
    title: String,
    /// What it may do at most: a part of what its owner may.
    grants: Vec<Grant>,
    /// Days until it expires, 1 to 366.
    #[schema(minimum = 1, maximum = 366)]
    days: u16,
}

pub(crate) async fn set_up(call: &Call) -> Result<Answer, Problem> {
    let setup: Setup = call.read()?;
    check_name(&setup.name)?;
    // Whoever has no token costs no hash.
    let digest = digest_of(&setup.token);
    if call.state.db.token(&digest, call.now).await?.is_none_or(|token| token.kind != TokenKind::Setup) {
        return Err(token_used());
    }
    let hash = hashed(&setup.name, &setup.password).await?;
    let grants = vec![Grant { role: Role::Admin, scope: Scope::Everything }];
    let user = stored(&setup.name, hash, &grants, call.now)?;
    if !call.state.db.set_up(&digest, call.now, &user).await? {
        return Err(token_used());
    }
    tracing::info!(user = setup.name, "the first user was made");
    Answer::with(201, shown(user))
}

fn token_used() -> Problem {
    Problem::new(403, "setup-token-used", "the setup token is wrong, was used or has expired")
}

pub(crate) async fn login(call: &Call) -> Result<Answer, Problem> {
    let login: Login = call.read()?;
    if login.cookie && !session::is_same_origin(&call.headers) {
        return Err(Problem::new(403, "cross-site", "a login by cookie comes from a page of this origin"));
    }
    check(call, &login.name, &login.password).await?;
    begin(call, &login.name, login.cookie).await
}

/// Whether it is somebody's password. Failures are counted, and beyond some of them nothing is tried for a while.
async fn check(call: &Call, name: &str, password: &str) -> Result<(), Problem> {
    let user = call.state.db.user(name).await?;
    let locked = user.as_ref().is_some_and(|user| user.locked_until > call.now);
    let hash = user.as_ref().map(|user| user.password.as_str());
    let busy = |_| Problem::new(429, "too-many-logins", "too many logins at once: try again in some seconds");
    let good = password::verify(password, hash).await.map_err(busy)?;
    let Some(user) = user.filter(|_| good && !locked) else {
        call.state.counters.failed_logins.fetch_add(1, Ordering::Relaxed);
        // A locked user is not locked for longer by further tries: that would let anybody keep him out.
        if !locked {
            call.state.db.login_failed(name, FAILURES, call.now + LOCKED).await?;
        }
        tracing::warn!(alarm = "login-failed", locked, "a login failed");
        return Err(Problem::new(
            401,
            "login-failed",
            "name or password is wrong, or the user is locked for some minutes",
        ));
    };
    Ok(call.state.db.login_succeeded(&user.name).await?)
}

/// Begins a session: always a new token, whatever the browser brought.
pub(crate) async fn begin(call: &Call, user: &str, cookie: bool) -> Result<Answer, Problem> {
    let told = call.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let agent: String = told.chars().filter(|c| !c.is_control()).take(200).collect();
    let expires = call.now + SESSION;
    let (token, _) = issue(call, TokenKind::Session, user, (&agent, "[]"), expires).await?;
    let held = call.state.db.tokens(user, TokenKind::Session).await?;
    for oldest in held.iter().take(held.len().saturating_sub(SESSIONS)) {
        call.state.db.delete_token(user, &oldest.id).await?;
    }
    if !cookie {
        return Answer::with(201, json!({"token": token, "expires_at": expires}));
    }
    let proof = session::proof_of(&token);
    let mut answer = Answer::with(201, json!({"csrf_token": proof, "expires_at": expires, "name": user}))?;
    answer.cookie = Some(session::set_cookie(&call.state, &token, SESSION / 1000));
    Ok(answer)
}

pub(crate) async fn logout(call: &Call) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    call.state.db.delete_token(&caller.name, &caller.token).await?;
    let mut answer = Answer::nothing();
    answer.cookie = caller.proof.is_some().then(|| session::set_cookie(&call.state, "", 0));
    Ok(answer)
}

pub(crate) async fn list_sessions(call: &Call) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    let held = call.state.db.tokens(&caller.name, TokenKind::Session).await?;
    let items = held.iter().filter(|it| it.expires_at > call.now).map(|it| {
        json!({"id": it.id, "title": it.title, "created_at": it.created_at, "expires_at": it.expires_at,
               "current": it.id == caller.token})
    });
    Answer::ok(json!({"items": items.collect::<Vec<_>>()}))
}

pub(crate) async fn delete_session(call: &Call) -> Result<Answer, Problem> {
    let owner = &call.caller()?.name;
    let held = call.state.db.tokens(owner, TokenKind::Session).await?;
    if !held.iter().any(|it| it.id == call.name) || !call.state.db.delete_token(owner, &call.name).await? {
        return Err(Problem::not_found());
    }
    Ok(Answer::nothing())
}

pub(crate) fn me(call: &Call) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    Answer::ok(json!({"name": caller.name, "tenant": caller.tenant, "grants": caller.grants, "limit": caller.limit,
                      "csrf_token": caller.proof, "grafana": call.state.grafana}))
}

pub(crate) async fn change_password(call: &Call) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    if caller.limit.is_some() {
        return Err(Problem::new(403, "forbidden", "an API key changes no password"));
    }
    let change: PasswordChange = call.read()?;
    check(call, &caller.name, &change.current).await?;
    let mut user = call.state.db.user(&caller.name).await?.ok_or_else(Problem::unauthenticated)?;
    user.password = users::hashed(&caller.name, &change.password).await?;
    call.state.db.put_user(&user).await?;
    call.state.db.delete_sessions(&caller.name, &caller.token).await?;
    Ok(Answer::nothing())
}

pub(crate) async fn list_keys(call: &Call) -> Result<Answer, Problem> {
    let keys = call.state.db.tokens(&call.caller()?.name, TokenKind::ApiKey).await?;
    let items: Vec<_> = keys.iter().map(shown_key).collect();
    Answer::ok(json!({"items": items}))
}

pub(crate) async fn create_key(call: &Call) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    let request: KeyRequest = call.read()?;
    if !(1..=KEY_DAYS).contains(&request.days) {
        return Err(Problem::field("/days", "is out of range", "1 to 366"));
    }
    if request.title.chars().count() > 200 || request.title.chars().any(char::is_control) {
        return Err(Problem::field("/title", "is too long or has control characters", "at most 200 characters"));
    }
    if let Some(index) = request.grants.iter().position(|grant| !caller.may_grant(grant)) {
        let path = format!("/grants/{index}");
        return Err(Problem::field(&path, "is more than you have", "roles and scopes of your own"));
    }
    let grants = serde_json::to_string(&request.grants).map_err(|_| Problem::bad("grants"))?;
    let expires = call.now + i64::from(request.days) * DAY;
    let (token, kept) = issue(call, TokenKind::ApiKey, &caller.name, (&request.title, &grants), expires).await?;
    let mut body = shown_key(&kept);
    body["token"] = token.into();
    Answer::with(201, body)
}

pub(crate) async fn delete_key(call: &Call) -> Result<Answer, Problem> {
    let gone = call.state.db.delete_token(&call.caller()?.name, &call.name).await?;
    if gone { Ok(Answer::nothing()) } else { Err(Problem::not_found()) }
}

pub(crate) async fn audit(call: &Call) -> Result<Answer, Problem> {
    let below = match call.parameter("cursor") {
        None => i64::MAX,
        Some(cursor) => select::number(cursor)?,
    };
    let network = (!call.network.is_empty()).then_some(call.network.as_str());
    let page = call.state.db.audit_log(network, below, select::limit(call)?).await?;
    let next = page.items.last().filter(|_| page.more).map(|entry| entry.id.to_string());
    let items: Vec<_> = page.items.iter().map(shown_audit).collect();
    Answer::ok(json!({"items": items, "next_cursor": next}))
}

pub(crate) fn shown_audit(it: &AuditEntry) -> serde_json::Value {
    json!({"id": it.id, "at": it.at, "who": it.who, "network": it.network, "action": it.action, "target": it.target,
           "outcome": it.outcome})
}

async fn issue(
    call: &Call,
    kind: TokenKind,
    owner: &str,
    (title, grants): (&str, &str),
    expires_at: i64,
) -> Result<(String, StoredToken), Problem> {
    let token = new_token("bst").map_err(|_| Problem::new(503, "no-randomness", "the system has no randomness"))?;
    let digest = digest_of(&token);
    // The beginning of a digest names the token and does not help to find it.
    let mut id: String = digest.chars().take(16).collect();
    if let Some(name) = call.made_name("token") {
        let all = call.state.db.tokens(owner, kind).await?;
        match all.iter().find(|token| token.id == name) {
            // It reached nobody.
            Some(made) if call.made(made.created_at) => {
                call.state.db.delete_token(owner, &name).await?;
                id = name;
            }
            Some(_) => {}
            None => id = name,
        }
    }
    let stored = StoredToken {
        id,
        digest,
        kind,
        owner: owner.to_owned(),
        title: title.to_owned(),
        grants: grants.to_owned(),
        created_at: call.now,
        expires_at,
    };
    call.state.db.put_token(&stored).await?;
    Ok((token, stored))
}

fn shown_key(key: &StoredToken) -> serde_json::Value {
    let grants: Vec<Grant> = serde_json::from_str(&key.grants).unwrap_or_default();
    json!({"id": key.id, "title": key.title, "grants": grants, "created_at": key.created_at, "expires_at": key.expires_at})
}
