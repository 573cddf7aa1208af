//! Signed tokens of others (RFC 7515, RFC 7518): only by public keys, only with the algorithms listed here. `none` and keys that
//! both sides share are not among them, and the key decides what algorithm may be used with it.

use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::Value;

/// Octets of a token.
const TOKEN: usize = 32 << 10;

/// A public key of a provider (RFC 7517).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Key {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    crv: String,
    n: String,
    e: String,
    x: String,
    y: String,
}

/// Why a token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Untrusted {
    /// It has not the form of a signed token.
    Malformed,
    /// Its algorithm is none of ours.
    Algorithm,
    /// There is no key of that name: a provider may have changed its keys.
    UnknownKey,
    /// The signature is another's.
    Signature,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    /// Extensions that must be understood: none is (RFC 7515 §4.1.11).
    #[serde(default)]
    crit: Option<Value>,
}

/// The claims of a token that one of the keys signed.
pub(crate) fn verify(token: &str, keys: &[Key]) -> Result<Value, Untrusted> {
    let (signed, signature) = token.rsplit_once('.').filter(|_| token.len() <= TOKEN).ok_or(Untrusted::Malformed)?;
    let (header, claims) = signed.split_once('.').ok_or(Untrusted::Malformed)?;
    let document = |text: &str| decode(text).ok_or(Untrusted::Malformed);
    let header: Header = serde_json::from_slice(&document(header)?).map_err(|_| Untrusted::Malformed)?;
    let (claims, signature) = (document(claims)?, document(signature)?);
    if header.crit.is_some() || !["RS256", "PS256", "ES256", "EdDSA"].contains(&header.alg.as_str()) {
        return Err(Untrusted::Algorithm);
    }
    let mut fitting = keys.iter().filter(|key| key.is_for(&header.alg, header.kid.as_deref())).peekable();
    fitting.peek().ok_or(Untrusted::UnknownKey)?;
    if !fitting.any(|key| key.signed(&header.alg, signed.as_bytes(), &signature)) {
        return Err(Untrusted::Signature);
    }
    serde_json::from_slice(&claims).map_err(|_| Untrusted::Malformed)
}

impl Key {
    fn is_for(&self, algorithm: &str, id: Option<&str>) -> bool {
        let kind = match algorithm {
            "RS256" | "PS256" => self.kty == "RSA",
            "ES256" => self.kty == "EC" && self.crv == "P-256",
            _ => self.kty == "OKP" && self.crv == "Ed25519",
        };
        kind && self.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
            && self.alg.as_deref().is_none_or(|own| own == algorithm)
            && id.is_none_or(|id| self.kid.as_deref() == Some(id))
    }

    fn signed(&self, algorithm: &str, text: &[u8], signature: &[u8]) -> bool {
        let part = |text: &str| decode(text).unwrap_or_default();
        let good = match algorithm {
            "ES256" => {
                let point = [vec![4], part(&self.x), part(&self.y)].concat();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(text, signature)
            }
            "EdDSA" => UnparsedPublicKey::new(&ED25519, part(&self.x)).verify(text, signature),
            rsa => {
                let form = if rsa == "RS256" { &RSA_PKCS1_2048_8192_SHA256 } else { &RSA_PSS_2048_8192_SHA256 };
                let number = |text: &str| part(text).into_iter().skip_while(|octet| *octet == 0).collect::<Vec<_>>();
                RsaPublicKeyComponents { n: number(&self.n), e: number(&self.e) }.verify(form, text, signature)
            }
        };
        good.is_ok()
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Octets as base64url without padding (RFC 4648 §5).
pub(crate) fn encode(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len().div_ceil(3) * 4);
    for chunk in octets.chunks(3) {
        let all =
            chunk.iter().enumerate().fold(0_u32, |sum, (place, octet)| sum | u32::from(*octet) << (16 - 8 * place));
        for place in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(all >> (18 - 6 * place)) as usize & 63]));
        }
    }
    text
}

/// The reverse; `None` for anything else, also for padding and bits that are left over.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for chunk in text.as_bytes().chunks(4) {
        let mut all = 0_u32;
        for (place, letter) in chunk.iter().enumerate() {
            let value = ALPHABET.iter().position(|it| it == letter)?;
            all |= u32::try_from(value).ok()? << (18 - 6 * place);
        }
        let count = chunk.len().checked_sub(1).filter(|count| *count > 0)?;
        let left_over = u32::try_from(8 + 8 * count).ok().and_then(|used| all.checked_shl(used)).unwrap_or(0);
        if left_over != 0 {
            return None;
        }
        octets.extend(all.to_be_bytes().get(1..=count)?);
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn base64url_is_that_of_the_rfc() {
        // RFC 4648 §10, without padding.
        for (plain, text) in
            [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!((encode(plain.as_bytes()).as_str(), decode(text).unwrap()), (text, plain.as_bytes().to_vec()));
        }
        assert_eq!(encode(&[0xfb, 0xff]), "-_8");
        assert!(["Z", "Zg==", "Zh", "Z g", "+/8", "Zm9vY"].iter().all(|text| decode(text).is_none()));
    }

    fn key(value: Value) -> Key {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_token_of_rfc_8037_is_good_and_any_other_is_not() {
        // RFC 8037 appendix A.4, with the key of A.2; its payload is no JSON, so that the form is refused after the signature held.
        let rfc = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
                   hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        let okp = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        assert_eq!(verify(rfc, &[key(okp.clone())]), Err(Untrusted::Malformed));
        assert_eq!(verify(&rfc.replace(".RX", ".RY"), &[key(okp.clone())]), Err(Untrusted::Signature));
        let named = |value: &str| json!({"kty": "OKP", "crv": "Ed25519", "x": okp["x"], "kid": value});
        assert_eq!(verify(rfc, &[key(json!({"kty": "RSA", "n": okp["x"], "e": "AQAB"}))]), Err(Untrusted::UnknownKey));
        assert_eq!(verify(rfc, &[key(named("a"))]), Err(Untrusted::Malformed), "no kid fits any");
        assert_eq!(verify(rfc, &[]), Err(Untrusted::UnknownKey));
    }

    #[test]
    fn a04_neither_none_nor_a_shared_key_is_an_algorithm() {
        let key = key(json!({"kty": "oct", "k": "AAAA", "n": "AQAB", "e": "AQAB"}));
        for alg in ["none", "None", "HS256", "HS512", "RS1", ""] {
            let head = encode(json!({ "alg": alg, "kid": "../../dev/null" }).to_string().as_bytes());
            assert_eq!(
                verify(&format!("{head}.e30."), core::slice::from_ref(&key)),
                Err(Untrusted::Algorithm),
                "{alg}"
            );
        }
        let crit = encode(br#"{"alg":"ES256","crit":["b64"]}"#);
        assert_eq!(verify(&format!("{crit}.e30.AA"), &[key]), Err(Untrusted::Algorithm));
        assert!(
            ["", ".", "..", "a.b", "a.b.c", &"a".repeat(40_000)]
                .iter()
                .all(|it| verify(it, &[]) == Err(Untrusted::Malformed))
        );
    }
}
