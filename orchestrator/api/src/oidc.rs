//! Logging in at somebody else's (OpenID Connect Core 1.0 §3.1, authorization code with PKCE, RFC 7636).
//!
//! ```text
//! browser -> /login/oidc/NAME -> (sealed cookie: state, nonce, verifier) -> provider -> …/callback -> code for ID token
//!         -> signature, issuer, audience, times, nonce -> groups to grants -> session
//! ```
//!
//! Between the two requests nothing is kept here, so that any replica may answer the second: what is needed is sealed in a cookie
//! that only the browser of the first has. A user belongs to the provider's `iss` and `sub`: neither a local user nor one of
//! another provider can be taken over by choosing a name. What he may follows from his groups, anew at each login.

mod claims;
mod provider;

use crate::gate::{Answer, Call};
use crate::token::{digest_of, new_secret};
use crate::{Grant, Problem, Role, Scope, accounts, jwt};
use axum::http::header;
use basalt_security::{SEALING_NONCE, SealedKey};
use orchestrator_db::{AuditEntry, StoredUser};
use serde::{Deserialize, Serialize};
use serde_json::json;
use subtle::ConstantTimeEq as _;

pub use provider::{Fetch, FetchRequest, Fetched, GroupGrant, Oidc, Provider};

/// Between being sent to the provider and coming back, milliseconds.
const PATIENCE: i64 = 10 * 60 * 1000;
/// What the cookie is sealed as.
const SEAL: &str = "login at a provider";
const COOKIE: &str = "basalt-login";

/// What is remembered between the two requests.
#[derive(Serialize, Deserialize)]
struct Begun {
    provider: String,
    state: String,
    nonce: String,
    verifier: String,
    return_to: String,
    until: i64,
}

/// How one can log in: for the console's page.
pub(crate) fn options(call: &Call) -> Result<Answer, Problem> {
    let one = |provider: &Provider| json!({"name": provider.name, "title": provider.title, "href": format!("/api/v1/login/oidc/{}", provider.name)});
    let providers: Vec<_> = call.state.oidc.providers().map(one).collect();
    Answer::ok(json!({ "password": true, "providers": providers }))
}

/// Sends the browser to the provider.
pub(crate) async fn begin(call: &Call) -> Result<Answer, Problem> {
    let oidc = &call.state.oidc;
    let provider = oidc.provider(&call.name).ok_or_else(Problem::not_found)?;
    let identity = oidc.identity(provider, call.now).await?;
    let random = || new_secret().map_err(|_| Problem::new(503, "no-randomness", "the system has no randomness"));
    let begun = Begun {
        provider: provider.name.clone(),
        state: random()?,
        nonce: random()?,
        verifier: random()?,
        return_to: call.parameter("return_to").filter(|path| is_here(path)).unwrap_or("/").to_owned(),
        until: call.now + PATIENCE,
    };
    let challenge = jwt::encode(&<sha2::Sha256 as sha2::Digest>::digest(begun.verifier.as_bytes()));
    let scopes = ["openid"].into_iter().chain(provider.scopes.iter().map(String::as_str)).collect::<Vec<_>>().join(" ");
    let redirect = oidc.redirect_uri(provider);
    let query = provider::form(&[
        ("response_type", "code"),
        ("client_id", &provider.client_id),
        ("redirect_uri", &redirect),
        ("scope", &scopes),
        ("state", &begun.state),
        ("nonce", &begun.nonce),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ]);
    let joint = if identity.authorization_endpoint.contains('?') { '&' } else { '?' };
    let mut answer = Answer::redirect(format!("{}{joint}{query}", identity.authorization_endpoint));
    // Lax: the provider's page leads back here, and the browser has to send it then.
    let secure = if call.state.secure { "; Secure" } else { "" };
    let sealed = seal(call, &begun)?;
    answer.cookie = Some(format!(
        "{COOKIE}={sealed}; Path=/api/v1/login; Max-Age={}; HttpOnly; SameSite=Lax{secure}",
        PATIENCE / 1000
    ));
    Ok(answer)
}

/// The browser comes back: with a code, or the provider's refusal.
pub(crate) async fn finish(call: &Call) -> Result<Answer, Problem> {
    let oidc = &call.state.oidc;
    let provider = oidc.provider(&call.name).ok_or_else(Problem::not_found)?;
    let begun = begun(call).ok_or_else(|| refused("this browser did not begin the login here, or too long ago"))?;
    let state = call.parameter("state").unwrap_or_default();
    let same: bool = state.as_bytes().ct_eq(begun.state.as_bytes()).into();
    if !same || begun.provider != provider.name {
        return Err(refused("the answer is not to the login that was begun"));
    }
    let code = call.parameter("code").filter(|_| call.parameter("error").is_none());
    let code = code.ok_or_else(|| refused("the provider refused"))?;
    let token = oidc.exchange(provider, code, &begun.verifier, call.now).await?;
    let told = oidc.verified(provider, &token, &begun.nonce, call.now).await?;
    let user = user(call, provider, &told).await?;
    let mut answer = accounts::begin(call, &user.name, true).await?;
    let entry = AuditEntry {
        id: 0,
        at: call.now,
        who: user.name,
        network: String::new(),
        action: "LOGIN".to_owned(),
        target: format!("/api/v1/login/oidc/{}", provider.name),
        outcome: 303,
    };
    call.state.db.audit(&entry).await?;
    answer.status = 303;
    answer.body = None;
    answer.location = Some(begun.return_to);
    Ok(answer)
}

/// The user, made or brought up to date.
async fn user(call: &Call, provider: &Provider, told: &claims::Told) -> Result<StoredUser, Problem> {
    let name = full_name(provider, &told.name)?;
    // It is no hash of a password: no password fits it.
    let bound = format!("oidc:{}", digest_of(&format!("{}\n{}", provider.issuer, told.subject)));
    let former = call.state.db.user(&name).await?;
    if former.as_ref().is_some_and(|former| former.password != bound) {
        tracing::warn!(alarm = "login-failed", provider = provider.name, "a login at a provider wanted another's name");
        return Err(Problem::new(403, "name-taken", "there is another user of this name, who is not of this provider"));
    }
    let grants: Vec<Grant> = provider.grants_of(&told.groups);
    let refused = grants.is_empty();
    if refused && former.is_none() {
        return Err(Problem::new(403, "no-rights", "none of your groups may do anything here"));
    }
    let stored = serde_json::to_string(&grants).map_err(|_| Problem::bad("grants"))?;
    let created_at = former.map_or(call.now, |former| former.created_at);
    let user = StoredUser { name, password: bound, grants: stored, failures: 0, locked_until: 0, created_at };
    call.state.db.put_user(&user).await?;
    if refused {
        // Who was in a group that may and is in none any more loses what he had, also where he is logged in.
        call.state.db.delete_sessions(&user.name, "").await?;
        return Err(Problem::new(403, "no-rights", "none of your groups may do anything here"));
    }
    Ok(user)
}

/// As what the user is known here: letters that names do not have become `-`.
fn full_name(provider: &Provider, told: &str) -> Result<String, Problem> {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = told.chars().take(64).map(plain).collect();
    crate::users::check_name(&name).map_err(|_| refused("the provider tells no name"))?;
    Ok(match &provider.tenant {
        Some(tenant) => format!("{name}@{tenant}"),
        None => name,
    })
}

impl Provider {
    /// What somebody of these groups may. Of a tenant's provider that stays within the tenant, by the user's name.
    fn grants_of(&self, groups: &[String]) -> Vec<Grant> {
        let fits = |it: &&GroupGrant| it.group == "*" || groups.contains(&it.group);
        let mut grants: Vec<Grant> =
            self.grants.iter().filter(fits).map(|it| Grant { role: it.role, scope: it.scope.clone() }).collect();
        grants.sort();
        grants.dedup();
        grants
    }

    /// What is wrong with its settings.
    ///
    /// # Errors
    /// In words.
    pub fn check(&self) -> Result<(), String> {
        let name =
            |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if !name(&self.name) || self.name.len() > 64 {
            return Err("its name has 1 to 64 letters, digits, `.`, `_` or `-`".to_owned());
        }
        if self.client_id.is_empty() {
            return Err("client_id is missing".to_owned());
        }
        if self.grants.is_empty() {
            return Err("without a grant nobody of it may do anything".to_owned());
        }
        let whole = |it: &GroupGrant| it.role == Role::Admin && it.scope == Scope::Everything && it.group == "*";
        if self.grants.iter().any(whole) {
            return Err("`*` makes everybody of the provider administrator of everything: name a group".to_owned());
        }
        Ok(())
    }
}

fn refused(detail: &str) -> Problem {
    Problem::new(401, "login-failed", detail)
}

/// Whether an address is one of ours: no other host, however it is written (A08).
fn is_here(path: &str) -> bool {
    path.starts_with('/') && !path.starts_with("//") && path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
}

fn seal(call: &Call, begun: &Begun) -> Result<String, Problem> {
    let mut nonce = [0; SEALING_NONCE];
    let failed = || Problem::new(503, "no-randomness", "the system has no randomness");
    getrandom::fill(&mut nonce).map_err(|_| failed())?;
    let text = serde_json::to_vec(begun).map_err(|_| failed())?;
    Ok(call.state.key.seal_named(SEAL, nonce, &text).to_hex())
}

fn begun(call: &Call) -> Option<Begun> {
    let lines = call.headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, sealed) = pairs.find(|(name, _)| *name == COOKIE)?;
    let opened = call.state.key.open_named(SEAL, &SealedKey::from_hex(sealed)?).ok()?;
    let begun: Begun = serde_json::from_slice(opened.expose()).ok()?;
    (begun.until > call.now).then_some(begun)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a08_one_is_led_back_to_our_own_pages_only() {
        for (path, good) in [
            ("/", true),
            ("/n/lab?x=1", true),
            ("//evil.example", false),
            ("/\\evil.example", false),
            ("https://evil.example", false),
            ("/a\r\nset-cookie: x", false),
            ("javascript:alert(1)", false),
            ("", false),
        ] {
            assert_eq!(is_here(path), good, "{path}");
        }
    }

    #[test]
    fn groups_become_grants_once() {
        let grant = |role| Grant { role, scope: Scope::Network("lab".to_owned()) };
        let of =
            |group: &str, role| GroupGrant { group: group.to_owned(), role, scope: Scope::Network("lab".to_owned()) };
        let mut provider = Provider { name: "p".to_owned(), client_id: "c".to_owned(), ..Provider::default() };
        assert!(provider.check().is_err(), "no grant");
        provider.grants = vec![of("noc", Role::Operator), of("also", Role::Operator), of("*", Role::Viewer)];
        provider.check().unwrap();
        let groups = ["noc", "also", "none"].map(str::to_owned);
        assert_eq!(provider.grants_of(&groups), [grant(Role::Viewer), grant(Role::Operator)]);
        assert_eq!(provider.grants_of(&[]), [grant(Role::Viewer)]);
        provider.grants.push(GroupGrant { group: "*".to_owned(), role: Role::Admin, scope: Scope::Everything });
        assert!(provider.check().is_err());
        assert_eq!(full_name(&provider, "ann@example.org").unwrap(), "ann-example.org");
        provider.tenant = Some("acme".to_owned());
        assert_eq!(full_name(&provider, "ann").unwrap(), "ann@acme");
        assert!(full_name(&provider, "").is_err());
    }
}
