//! Users: of the installation, made by its administrators; and of a tenant, made by the tenant's. Those are named `bob@acme`, so
//! that no tenant learns or takes names of others, and may nothing outside of it.

use crate::access::Place;
use crate::gate::{Answer, Call};
use crate::{Grant, Problem, Scope, password, select};
use orchestrator_db::{StoredUser, Target};
use orchestrator_model::Kind;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// A user, made or changed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserChange {
    /// What the user may do.
    #[schema(max_items = 100)]
    grants: Vec<Grant>,
    /// A new password; needed for a new user. It ends the user's sessions.
    #[schema(write_only, min_length = 12, max_length = 256)]
    password: Option<String>,
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

pub(crate) async fn list(call: &Call) -> Result<Answer, Problem> {
    let (after, limit) = (call.parameter("cursor").unwrap_or_default(), select::limit(call)?);
    let tenant = (!call.tenant.is_empty()).then_some(call.tenant.as_str());
    let page = call.state.db.users(tenant, after, limit).await?;
    let next = page.items.last().filter(|_| page.more).map(|user| user.name.clone());
    let items: Vec<User> = page.items.into_iter().map(shown).collect();
    Answer::ok(json!({"items": items, "next_cursor": next}))
}

pub(crate) async fn put(call: &Call) -> Result<Answer, Problem> {
    let change: UserChange = call.read()?;
    check_name(&call.name)?;
    check_grants(&change.grants)?;
    within_tenant(call, &change.grants).await?;
    let name = full_name(call);
    let former = call.state.db.user(&name).await?;
    let created = former.is_none();
    let hash = match (&change.password, &former) {
        (Some(password), _) => hashed(&name, password).await?,
        (None, Some(former)) => former.password.clone(),
        (None, None) => return Err(Problem::field("/password", "is missing", "a password for a new user")),
    };
    let mut user = stored(&name, hash, &change.grants, call.now)?;
    user.created_at = former.map_or(call.now, |former| former.created_at);
    call.state.db.put_user(&user).await?;
    if change.password.is_some() {
        call.state.db.delete_sessions(&name, "").await?;
    }
    Answer::with(if created { 201 } else { 200 }, shown(user))
}

pub(crate) async fn delete(call: &Call) -> Result<Answer, Problem> {
    let name = full_name(call);
    if call.caller()?.name == name {
        return Err(Problem::new(409, "yourself", "another administrator must do that"));
    }
    if call.state.db.delete_user(&name).await? { Ok(Answer::nothing()) } else { Err(Problem::not_found()) }
}

/// As which a user of the address logs in.
fn full_name(call: &Call) -> String {
    if call.tenant.is_empty() { call.name.clone() } else { format!("{}@{}", call.name, call.tenant) }
}

/// Users of a tenant are granted what lies in it, and nobody grants more than he has.
async fn within_tenant(call: &Call, grants: &[Grant]) -> Result<(), Problem> {
    if call.tenant.is_empty() {
        return Ok(());
    }
    for (index, grant) in grants.iter().enumerate() {
        let inside = match &grant.scope {
            Scope::Everything => false,
            Scope::Tenant(tenant) => *tenant == call.tenant,
            Scope::Network(name) => {
                let target = Target { kind: Kind::Network, network: String::new(), name: name.clone() };
                let network = call.state.db.object(&target).await?;
                network.is_some_and(|network| network.body["tenant"] == call.tenant.as_str())
            }
        };
        if !inside || !call.caller()?.may(grant.role, Place::Tenant(&call.tenant)) {
            let allowed = format!("the tenant {} or a network of it, with a role of your own", call.tenant);
            return Err(Problem::field(&format!("/grants/{index}"), "is not yours to give", &allowed));
        }
    }
    Ok(())
}

pub(crate) fn check_name(name: &str) -> Result<(), Problem> {
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

pub(crate) async fn hashed(name: &str, secret: &str) -> Result<String, Problem> {
    if let Some(why) = password::unfit(name, secret) {
        return Err(Problem::field("/password", why, "12 to 256 characters, not the name, not a few repeated"));
    }
    password::hash(secret).await.ok_or_else(|| Problem::new(503, "no-randomness", "the password cannot be hashed now"))
}

pub(crate) fn stored(name: &str, password: String, grants: &[Grant], now: i64) -> Result<StoredUser, Problem> {
    let grants = serde_json::to_string(grants).map_err(|_| Problem::bad("grants"))?;
    Ok(StoredUser { name: name.to_owned(), password, grants, failures: 0, locked_until: 0, created_at: now })
}

pub(crate) fn shown(user: StoredUser) -> User {
    let grants = serde_json::from_str(&user.grants).unwrap_or_default();
    User { name: user.name, grants, locked_until: user.locked_until, created_at: user.created_at }
}
