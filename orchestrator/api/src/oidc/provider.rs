//! Providers of identity: their settings, and what they say of themselves (OpenID Connect Discovery 1.0).

use super::claims::{self, Told};
use crate::jwt::{self, Key, Untrusted};
use crate::{Problem, Role, Scope};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

/// What a provider said is good for so long, milliseconds; a key that nobody knows has it asked again, but not more often than this.
const KEPT: i64 = 3_600_000;
const AGAIN: i64 = 1_000;

/// A request to a provider.
#[derive(Debug, Clone)]
pub struct FetchRequest {
    /// Where.
    pub url: String,
    /// A form to be posted; GET without.
    pub form: Option<String>,
    /// Name and password, for the header of basic authentication, in base64.
    pub basic: Option<String>,
}

/// Status and body, or why there is none.
pub type Fetched = Pin<Box<dyn Future<Output = Result<(u16, Vec<u8>), String>> + Send>>;

/// Asks a provider. Whoever makes it judges addresses and bounds time and size.
pub type Fetch = Arc<dyn Fn(FetchRequest) -> Fetched + Send + Sync>;

/// A group's members may something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupGrant {
    /// The group, as the provider tells it; `*` is everybody.
    pub group: String,
    /// How much they may.
    pub role: Role,
    /// Where.
    pub scope: Scope,
}

/// A provider of identity, as the settings say.
#[derive(Clone, PartialEq, Eq)]
pub struct Provider {
    /// Its name in addresses.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// Its issuer, exactly as it stands in its tokens.
    pub issuer: String,
    /// As what it knows us.
    pub client_id: String,
    /// Our secret, if we have one; PKCE protects in any case.
    pub client_secret: Option<String>,
    /// Scopes beside `openid`.
    pub scopes: Vec<String>,
    /// The claim with the user's name.
    pub name_claim: String,
    /// The claim with the groups.
    pub groups_claim: String,
    /// Its users are this tenant's.
    pub tenant: Option<String>,
    /// What groups may.
    pub grants: Vec<GroupGrant>,
}

impl Default for Provider {
    fn default() -> Self {
        Self {
            name: String::new(),
            title: String::new(),
            issuer: String::new(),
            client_id: String::new(),
            client_secret: None,
            scopes: vec!["profile".to_owned()],
            name_claim: "preferred_username".to_owned(),
            groups_claim: "groups".to_owned(),
            tenant: None,
            grants: Vec::new(),
        }
    }
}

impl core::fmt::Debug for Provider {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Provider").field("name", &self.name).field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// What a provider says of itself.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Identity {
    issuer: String,
    pub(super) authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(skip)]
    keys: Vec<Key>,
    #[serde(skip)]
    asked_at: i64,
}

#[derive(Deserialize)]
struct Keys {
    keys: Vec<Value>,
}

/// All providers, and the way to them.
#[derive(Default)]
pub struct Oidc {
    providers: Vec<Provider>,
    /// `https://core.example`: where browsers find us.
    public_url: String,
    fetch: Option<Fetch>,
    known: Mutex<BTreeMap<String, Identity>>,
}

impl Oidc {
    /// Providers, where browsers find us (without `/` at the end), and how providers are asked.
    #[must_use]
    pub fn new(providers: Vec<Provider>, public_url: String, fetch: Fetch) -> Self {
        Self { providers, public_url, fetch: Some(fetch), known: Mutex::default() }
    }

    pub(super) fn providers(&self) -> impl Iterator<Item = &Provider> {
        self.providers.iter()
    }

    pub(super) fn provider(&self, name: &str) -> Option<&Provider> {
        self.providers.iter().find(|provider| provider.name == name)
    }

    /// Where a provider sends browsers back to: it must know this address.
    pub(super) fn redirect_uri(&self, provider: &Provider) -> String {
        format!("{}/api/v1/login/oidc/{}/callback", self.public_url, provider.name)
    }

    /// What the provider says of itself, not older than an hour.
    pub(super) async fn identity(&self, provider: &Provider, now: i64) -> Result<Identity, Problem> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&provider.name).cloned();
        match known {
            Some(known) if now - known.asked_at < KEPT => Ok(known),
            _ => self.ask(provider, now).await,
        }
    }

    async fn ask(&self, provider: &Provider, now: i64) -> Result<Identity, Problem> {
        let url = format!("{}/.well-known/openid-configuration", provider.issuer.trim_end_matches('/'));
        let mut identity: Identity = self.document(provider, &url).await?;
        if identity.issuer != provider.issuer {
            return Err(unavailable(provider, "it calls itself by another name than the settings do"));
        }
        let keys: Keys = self.document(provider, &identity.jwks_uri).await?;
        // Kinds of keys that nobody here knows are no mistake.
        identity.keys = keys.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect();
        identity.asked_at = now;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(provider.name.clone(), identity.clone());
        Ok(identity)
    }

    async fn document<T: serde::de::DeserializeOwned>(&self, provider: &Provider, url: &str) -> Result<T, Problem> {
        let request = FetchRequest { url: url.to_owned(), form: None, basic: None };
        let (status, body) = self.fetch(provider, request).await?;
        if status != 200 {
            return Err(unavailable(provider, &format!("it answered {status}")));
        }
        serde_json::from_slice(&body).map_err(|_| unavailable(provider, "its answer is none"))
    }

    async fn fetch(&self, provider: &Provider, request: FetchRequest) -> Result<(u16, Vec<u8>), Problem> {
        let fetch = self.fetch.as_ref().ok_or_else(Problem::not_found)?;
        fetch(request).await.map_err(|error| unavailable(provider, &error))
    }

    /// The ID token for a code.
    pub(super) async fn exchange(
        &self,
        provider: &Provider,
        code: &str,
        verifier: &str,
        now: i64,
    ) -> Result<String, Problem> {
        let identity = self.identity(provider, now).await?;
        let redirect = self.redirect_uri(provider);
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &redirect),
            ("code_verifier", verifier),
        ];
        if provider.client_secret.is_none() {
            fields.push(("client_id", &provider.client_id));
        }
        // RFC 6749 §2.3.1: both are encoded as in a form before they are joined.
        let basic = provider
            .client_secret
            .as_ref()
            .map(|secret| standard(format!("{}:{}", escape(&provider.client_id), escape(secret)).as_bytes()));
        let request = FetchRequest { url: identity.token_endpoint, form: Some(form(&fields)), basic };
        let (status, body) = self.fetch(provider, request).await?;
        if status != 200 {
            return Err(Problem::new(401, "login-failed", "the provider does not take the code"));
        }
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        let token = answer.get("id_token").and_then(Value::as_str).map(str::to_owned);
        token.ok_or_else(|| unavailable(provider, "its answer has no ID token"))
    }

    /// What a token says, if the provider signed it for us, now and for this login.
    pub(super) async fn verified(
        &self,
        provider: &Provider,
        token: &str,
        nonce: &str,
        now: i64,
    ) -> Result<Told, Problem> {
        let identity = self.identity(provider, now).await?;
        let mut claims = jwt::verify(token, &identity.keys);
        if claims == Err(Untrusted::UnknownKey) && now - identity.asked_at >= AGAIN {
            claims = jwt::verify(token, &self.ask(provider, now).await?.keys);
        }
        let refused = |why: &str| {
            tracing::warn!(alarm = "login-failed", provider = provider.name, why, "a token of a provider was refused");
            Problem::new(401, "login-failed", why)
        };
        let claims = claims.map_err(|why| match why {
            Untrusted::Malformed => refused("the token has not the form of one"),
            Untrusted::Algorithm => refused("the token is not signed in a way that is taken"),
            Untrusted::UnknownKey => refused("the token's key is not the provider's"),
            Untrusted::Signature => refused("the token's signature does not hold"),
        })?;
        claims::check(provider, &claims, nonce, now / 1000).map_err(refused)
    }
}

fn unavailable(provider: &Provider, why: &str) -> Problem {
    tracing::warn!(provider = provider.name, why, "a provider of identity cannot be used");
    Problem::new(503, "provider-unavailable", "the provider of identity cannot be used now: the log tells why")
}

/// Fields as a form is sent.
pub(super) fn form(fields: &[(&str, &str)]) -> String {
    fields.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect::<Vec<_>>().join("&")
}

fn escape(text: &str) -> String {
    let one = |octet: u8| match octet {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(octet).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(one).collect()
}

/// Base64 with padding (RFC 4648 §4).
fn standard(octets: &[u8]) -> String {
    let text = jwt::encode(octets).replace('-', "+").replace('_', "/");
    let padding = (4 - text.len() % 4) % 4;
    text + &"=".repeat(padding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_escaped_and_basic_is_padded() {
        assert_eq!(form(&[("a", "b c&d=ä"), ("e", "~x")]), "a=b%20c%26d%3D%C3%A4&e=~x");
        assert_eq!(
            (standard(b"a:b").as_str(), standard(b"a:").as_str(), standard(&[0xfb]).as_str()),
            ("YTpi", "YTo=", "+w==")
        );
    }
}
