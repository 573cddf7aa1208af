//! What an ID token says, and whether it is for us and now (OpenID Connect Core 1.0 §3.1.3.7).

use super::Provider;
use serde_json::Value;
use subtle::ConstantTimeEq as _;

/// Clocks may differ by so much, seconds.
const SKEW: i64 = 60;

/// What is taken from a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) subject: String,
    pub(super) name: String,
    pub(super) groups: Vec<String>,
}

/// Checks the claims of a token whose signature held. `now` in seconds since 1970; the refusal in words.
pub(super) fn check(provider: &Provider, claims: &Value, nonce: &str, now: i64) -> Result<Told, &'static str> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(provider.issuer.as_str()) {
        return Err("the token is another issuer's");
    }
    let audience: Vec<&str> = match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let party = text("azp");
    let foreign = party.map_or(audience.len() > 1, |party| party != provider.client_id);
    if !audience.contains(&provider.client_id.as_str()) || foreign {
        return Err("the token is for another client");
    }
    // A time that is no number is no time: it does not count as absent.
    let time = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(value) => match value.as_f64() {
            #[allow(clippy::cast_possible_truncation, reason = "a float saturates, and saturated times are refused")]
            Some(seconds) if seconds.is_finite() => Ok(Some(seconds as i64)),
            _ => Err("the token's times are none"),
        },
    };
    let expires = time("exp")?.ok_or("the token has no end")?;
    let issued = time("iat")?.ok_or("the token does not say when it was made")?;
    if expires.saturating_add(SKEW) <= now {
        return Err("the token has expired");
    }
    if issued > now.saturating_add(SKEW) || time("nbf")?.is_some_and(|from| from > now.saturating_add(SKEW)) {
        return Err("the token is of the future: is the clock right?");
    }
    let same: bool = text("nonce").unwrap_or_default().as_bytes().ct_eq(nonce.as_bytes()).into();
    if nonce.is_empty() || !same {
        return Err("the token is not of this login");
    }
    let subject = text("sub").filter(|subject| !subject.is_empty()).ok_or("the token is about nobody")?;
    let name = text(&provider.name_claim).unwrap_or_default();
    let groups = match claims.get(&provider.groups_claim) {
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::String(one)) => vec![one.clone()],
        _ => Vec::new(),
    };
    Ok(Told { subject: subject.to_owned(), name: name.to_owned(), groups })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: i64 = 1_800_000_000;

    fn provider() -> Provider {
        Provider { issuer: "https://id.example".to_owned(), client_id: "basalt".to_owned(), ..Provider::default() }
    }

    fn good() -> Value {
        json!({"iss": "https://id.example", "aud": "basalt", "exp": NOW + 300, "iat": NOW, "nonce": "n", "sub": "1",
               "preferred_username": "ann", "groups": ["noc", 5, "x"]})
    }

    #[test]
    fn a_good_token_tells_who_it_is() {
        let told = check(&provider(), &good(), "n", NOW).unwrap();
        assert_eq!(
            (told.subject.as_str(), told.name.as_str(), told.groups),
            ("1", "ann", vec!["noc".to_owned(), "x".to_owned()])
        );
    }

    #[test]
    fn what_is_not_for_us_here_and_now_is_refused() {
        for (field, value) in [
            ("iss", json!("https://id.example/")),
            ("iss", Value::Null),
            ("aud", json!("other")),
            ("aud", json!(["basalt", "other"])),
            ("aud", json!([])),
            ("azp", json!("other")),
            ("exp", json!(NOW - 61)),
            ("exp", json!("9999999999")),
            ("exp", Value::Null),
            ("iat", json!(NOW + 61)),
            ("iat", Value::Null),
            ("nbf", json!(NOW + 61)),
            ("nbf", json!("0")),
            ("nonce", json!("m")),
            ("nonce", Value::Null),
            ("sub", json!("")),
            ("sub", json!(5)),
        ] {
            let mut claims = good();
            claims[field] = value.clone();
            assert!(check(&provider(), &claims, "n", NOW).is_err(), "{field}: {value}");
        }
        assert!(check(&provider(), &good(), "", NOW).is_err());
    }

    #[test]
    fn clocks_may_differ_by_a_minute() {
        let mut claims = good();
        (claims["iat"], claims["nbf"], claims["exp"]) = (json!(NOW + 59), json!(NOW + 59), json!(NOW - 59));
        assert!(check(&provider(), &claims, "n", NOW).is_ok());
        claims["aud"] = json!(["basalt", "other"]);
        claims["azp"] = json!("basalt");
        assert!(check(&provider(), &claims, "n", NOW).is_ok());
    }
}
