//! People and programs: the first user, sessions, users, API keys; and the audit log.

use crate::gate::{Answer, Call};
use crate::token::{digest_of, new_token};
use crate::{Grant, Problem, Role, Scope, password};
use orchestrator_db::{StoredToken, StoredUser, TokenKind};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::atomic::Ordering;
use utoipa::ToSchema;

/// A session lasts so long, milliseconds.
const SESSION: i64 = 12 * 3600 * 1000;
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
    name: String,
    /// 12 to 256 characters.
    #[schema(write_only)]
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
}

/// A user, made or changed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserChange {
    /// What the user may do.
    grants: Vec<Grant>,
    /// A new password; needed for a new user. It ends the user's sessions.
    #[schema(write_only)]
    password: Option<String>,
}

/// A new API key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyRequest {
    /// Name for people, at most 200 characters.
    title: String,
    /// What it may do at most: a part of what its owner may.
    grants: Vec<Grant>,
    /// Days until it expires, 1 to 366.
    days: u16,
}

/// A user as shown.
#[derive(Serialize, ToSchema)]
pub(crate) struct User {
    /// The name.
    name: String,
    /// What the user may do.
    grants: Vec<Grant>,
    /// Locked until, milliseconds since 1970; 0 when not.
    locked_until: i64,
    /// Since when, milliseconds since 1970.
    created_at: i64,
}

pub(crate) async fn set_up(call: &Call) -> Result<Answer, Problem> {
    let setup: Setup = call.read()?;
    check_name(&setup.name)?;
    let hash = hashed(&setup.name, &setup.password).await?;
    let grants = vec![Grant { role: Role::Admin, scope: Scope::Everything }];
    let user = stored(&setup.name, hash, &grants, call.now)?;
    if !call.state.db.set_up(&digest_of(&setup.token), call.now, &user).await? {
        return Err(Problem::new(403, "setup-token-used", "the setup token is wrong, was used or has expired"));
    }
    tracing::info!(user = setup.name, "the first user was made");
    Answer::with(201, shown(user))
}

pub(crate) async fn login(call: &Call) -> Result<Answer, Problem> {
    let login: Login = call.read()?;
    let user = call.state.db.user(&login.name).await?;
    let locked = user.as_ref().is_some_and(|user| user.locked_until > call.now);
    let hash = user.as_ref().map(|user| user.password.as_str());
    let busy = |_| Problem::new(429, "too-many-logins", "too many logins at once: try again in some seconds");
    let good = password::verify(&login.password, hash).await.map_err(busy)?;
    let Some(user) = user.filter(|_| good && !locked) else {
        call.state.counters.failed_logins.fetch_add(1, Ordering::Relaxed);
        // A locked user is not locked for longer by further tries: that would let anybody keep him out.
        if !locked {
            call.state.db.login_failed(&login.name, FAILURES, call.now + LOCKED).await?;
        }
        tracing::warn!(alarm = "login-failed", locked, "a login failed");
        return Err(Problem::new(
            401,
            "login-failed",
            "name or password is wrong, or the user is locked for some minutes",
        ));
    };
    call.state.db.login_succeeded(&user.name).await?;
    let token = issue(call, TokenKind::Session, &user.name, ("", "[]"), call.now + SESSION).await?;
    Answer::with(201, json!({"token": token.0, "expires_at": call.now + SESSION}))
}

pub(crate) async fn logout(call: &Call) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    call.state.db.delete_token(&caller.name, &caller.token).await?;
    Ok(Answer::nothing())
}

pub(crate) fn me(call: &Call) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    Answer::ok(json!({"name": caller.name, "grants": caller.grants, "limit": caller.limit}))
}

pub(crate) async fn list_users(call: &Call) -> Result<Answer, Problem> {
    let page = call.state.db.users(call.parameter("cursor").unwrap_or_default(), crate::select::limit(call)?).await?;
    let next = page.items.last().filter(|_| page.more).map(|user| user.name.clone());
    let items: Vec<User> = page.items.into_iter().map(shown).collect();
    Answer::ok(json!({"items": items, "next_cursor": next}))
}

pub(crate) async fn put_user(call: &Call) -> Result<Answer, Problem> {
    let change: UserChange = call.read()?;
    check_name(&call.name)?;
    check_grants(&change.grants)?;
    let former = call.state.db.user(&call.name).await?;
    let created = former.is_none();
    let hash = match (&change.password, &former) {
        (Some(password), _) => hashed(&call.name, password).await?,
        (None, Some(former)) => former.password.clone(),
        (None, None) => return Err(Problem::field("/password", "is missing", "a password for a new user")),
    };
    let mut user = stored(&call.name, hash, &change.grants, call.now)?;
    user.created_at = former.map_or(call.now, |former| former.created_at);
    call.state.db.put_user(&user).await?;
    if change.password.is_some() {
        call.state.db.delete_sessions(&call.name).await?;
    }
    Answer::with(if created { 201 } else { 200 }, shown(user))
}

pub(crate) async fn delete_user(call: &Call) -> Result<Answer, Problem> {
    if call.caller()?.name == call.name {
        return Err(Problem::new(409, "yourself", "another administrator must do that"));
    }
    if call.state.db.delete_user(&call.name).await? { Ok(Answer::nothing()) } else { Err(Problem::not_found()) }
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
        Some(cursor) => cursor.parse().map_err(|_| Problem::bad("the cursor is none of ours"))?,
    };
    let network = (!call.network.is_empty()).then_some(call.network.as_str());
    let page = call.state.db.audit_log(network, below, crate::select::limit(call)?).await?;
    let next = page.items.last().filter(|_| page.more).map(|entry| entry.id.to_string());
    let items = page.items.iter().map(|it| {
        json!({"id": it.id, "at": it.at, "who": it.who, "network": it.network, "action": it.action, "target": it.target,
               "outcome": it.outcome})
    });
    Answer::ok(json!({"items": items.collect::<Vec<_>>(), "next_cursor": next}))
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
    let stored = StoredToken {
        // The beginning of a digest names the token and does not help to find it.
        id: digest.chars().take(16).collect(),
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

fn check_name(name: &str) -> Result<(), Problem> {
    let good = (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if good {
        Ok(())
    } else {
        Err(Problem::field("/name", "cannot be a name", "1 to 64 letters, digits, `.`, `_` or `-`"))
    }
}

fn check_grants(grants: &[Grant]) -> Result<(), Problem> {
    let unnamed = |grant: &Grant| match &grant.scope {
        Scope::Everything => false,
        Scope::Tenant(name) | Scope::Network(name) => name.is_empty() || name.len() > 128,
    };
    match grants.iter().position(unnamed) {
        _ if grants.len() > 100 => Err(Problem::field("/grants", "are too many", "at most 100")),
        Some(index) => Err(Problem::field(&format!("/grants/{index}/scope"), "names nothing", "1 to 128 characters")),
        None => Ok(()),
    }
}

async fn hashed(name: &str, secret: &str) -> Result<String, Problem> {
    if let Some(why) = password::unfit(name, secret) {
        return Err(Problem::field("/password", why, "12 to 256 characters, not the name, not a few repeated"));
    }
    password::hash(secret).await.ok_or_else(|| Problem::new(503, "no-randomness", "the password cannot be hashed now"))
}

fn stored(name: &str, password: String, grants: &[Grant], now: i64) -> Result<StoredUser, Problem> {
    let grants = serde_json::to_string(grants).map_err(|_| Problem::bad("grants"))?;
    Ok(StoredUser { name: name.to_owned(), password, grants, failures: 0, locked_until: 0, created_at: now })
}

fn shown(user: StoredUser) -> User {
    let grants = serde_json::from_str(&user.grants).unwrap_or_default();
    User { name: user.name, grants, locked_until: user.locked_until, created_at: user.created_at }
}

fn shown_key(key: &StoredToken) -> serde_json::Value {
    let grants: Vec<Grant> = serde_json::from_str(&key.grants).unwrap_or_default();
    json!({"id": key.id, "title": key.title, "grants": grants, "created_at": key.created_at, "expires_at": key.expires_at})
}
