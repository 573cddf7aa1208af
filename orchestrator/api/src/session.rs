//! Who asks: the bearer of a token, or a browser with the cookie of a session.
//!
//! A browser sends its cookie also with what another site made it send. So the cookie is `SameSite=Strict`, a write by cookie
//! needs a header that only our own pages can know and set, and what the browser says of the origin must be this one.

use crate::token::digest_of;
use crate::{Caller, Grant, Need, Problem, State};
use axum::http::{HeaderMap, header};
use orchestrator_db::{StoredToken, TokenKind};
use subtle::ConstantTimeEq;

/// The header that shows that a write by cookie was meant.
pub(crate) const CSRF: &str = "x-csrf-token";

/// Who asks. A token that is shown must be good, also where none is needed; a cookie is looked at where somebody is needed.
pub(crate) async fn authenticate(
    state: &State,
    need: Need,
    method: &str,
    headers: &HeaderMap,
    now: i64,
) -> Result<Option<Caller>, Problem> {
    if let Some(shown) = headers.get(header::AUTHORIZATION) {
        let token = shown.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
        let token = token.ok_or_else(Problem::unauthenticated)?;
        let known = state.db.token(&digest_of(token), now).await?.ok_or_else(Problem::unauthenticated)?;
        return caller(state, known).await.map(Some);
    }
    let Some(token) = cookie(state, headers).filter(|_| need != Need::Nothing) else { return Ok(None) };
    let known = state.db.token(&digest_of(token), now).await?.ok_or_else(Problem::unauthenticated)?;
    if known.kind != TokenKind::Session {
        return Err(Problem::unauthenticated());
    }
    let proof = proof_of(token);
    if !matches!(method, "GET" | "HEAD") {
        let shown = headers.get(CSRF).map(|shown| shown.as_bytes()).unwrap_or_default();
        let meant: bool = shown.ct_eq(proof.as_bytes()).into();
        if !meant || !is_same_origin(headers) {
            let detail =
                "a write by cookie needs the header X-CSRF-Token with csrf_token of the login, from this origin";
            return Err(Problem::new(403, "cross-site", detail));
        }
    }
    let mut caller = caller(state, known).await?;
    caller.proof = Some(proof);
    Ok(Some(caller))
}

async fn caller(state: &State, token: StoredToken) -> Result<Caller, Problem> {
    // The setup token opens the setup only, and there it stands in the body.
    let limit: Option<Vec<Grant>> = match token.kind {
        TokenKind::Session => None,
        TokenKind::ApiKey => Some(serde_json::from_str(&token.grants).unwrap_or_default()),
        TokenKind::Setup => return Err(Problem::unauthenticated()),
    };
    let user = state.db.user(&token.owner).await?.ok_or_else(Problem::unauthenticated)?;
    let grants = serde_json::from_str(&user.grants).unwrap_or_default();
    let tenant = tenant_of(&user.name).map(str::to_owned);
    Ok(Caller { name: user.name, token: token.id, grants, limit, tenant, proof: None })
}

/// The tenant of a user: `bob@acme` is acme's. Users without are of the installation.
pub(crate) fn tenant_of(name: &str) -> Option<&str> {
    name.split_once('@').map(|(_, tenant)| tenant)
}

/// What a page shows to prove that it could read the answer to the login. It does not follow from the token's digest.
pub(crate) fn proof_of(token: &str) -> String {
    digest_of(&format!("csrf {token}"))
}

/// Whether the browser says that the request comes from our own pages. One that says nothing is no browser of these years;
/// there the header decides.
pub(crate) fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return false;
    }
    let Some(origin) = text("origin") else { return true };
    let host = origin.split_once("://").map(|(_, host)| host);
    host.is_some() && host == text("host")
}

/// The name of the cookie. Over TLS the prefix keeps other hosts of the domain from setting it (RFC 6265bis §4.1.3.2).
const fn cookie_name(state: &State) -> &'static str {
    if state.secure { "__Host-basalt" } else { "basalt" }
}

fn cookie<'a>(state: &State, headers: &'a HeaderMap) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = all.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == cookie_name(state)).map(|(_, value)| value)
}

/// The header that gives a browser its cookie for some seconds; none take it away.
pub(crate) fn set_cookie(state: &State, token: &str, seconds: i64) -> String {
    let secure = if state.secure { "; Secure" } else { "" };
    format!("{}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}", cookie_name(state))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(pairs: &[(&'static str, &'static str)]) -> bool {
        let headers = pairs.iter().map(|(name, value)| ((*name).parse().unwrap(), (*value).parse().unwrap()));
        is_same_origin(&headers.collect())
    }

    #[test]
    fn another_origin_is_seen() {
        assert!(says(&[("host", "core.example")]));
        assert!(says(&[
            ("host", "core.example"),
            ("origin", "https://core.example"),
            ("sec-fetch-site", "same-origin")
        ]));
        assert!(!says(&[("host", "core.example"), ("sec-fetch-site", "cross-site")]));
        assert!(!says(&[("host", "core.example"), ("sec-fetch-site", "same-site")]));
        for origin in
            ["null", "https://evil.example", "https://core.example.evil", "core.example", "https://core.example:1"]
        {
            assert!(!says(&[("host", "core.example"), ("origin", origin)]), "{origin}");
        }
        assert!(!says(&[("origin", "https://core.example")]), "no host");
    }
}
