//! Rows of the main tables, and what they are read as.

use crate::{Error, Object, Page, StoredToken, StoredUser, TokenKind, Version};
use basalt_security::SealedKey;
use serde_json::Value;

pub(crate) type ObjectRow = (String, i64, i64, String, String, Option<String>, i64);
pub(crate) type VersionRow = (i64, i64, String, Option<String>, Option<String>, i64);
pub(crate) type UserRow = (String, String, String, i64, i64, i64);
pub(crate) type TokenRow = (String, String, String, String, String, String, i64, i64);

pub(crate) const OBJECT: &str = "name, revision, changed_at, changed_by, body, sealed, secrets_mark";
pub(crate) const USER: &str = "name, password, grants, failures, locked_until, created_at";

pub(crate) fn page<R, T>(rows: Vec<R>, limit: u32, read: impl Fn(R) -> Result<T, Error>) -> Result<Page<T>, Error> {
    let more = rows.len() > limit as usize;
    let items = rows.into_iter().take(limit as usize).map(read).collect::<Result<_, _>>()?;
    Ok(Page { items, more })
}

pub(crate) fn object(
    (name, revision, changed_at, changed_by, body, sealed, secrets_mark): ObjectRow,
) -> Result<Object, Error> {
    let sealed = open_hex(sealed.as_deref())?;
    Ok(Object { name, revision, changed_at, changed_by, body: json(&body)?, sealed, secrets_mark })
}

pub(crate) fn version(
    (revision, at, who, body, sealed, mark): &VersionRow,
    before: Option<&str>,
) -> Result<Version, Error> {
    Ok(Version {
        revision: *revision,
        at: *at,
        who: who.clone(),
        before: before.map(json).transpose()?,
        after: body.as_deref().map(json).transpose()?,
        sealed: open_hex(sealed.as_deref())?,
        secrets_changed: mark == revision,
    })
}

pub(crate) fn user((name, password, grants, failures, locked_until, created_at): UserRow) -> StoredUser {
    StoredUser { name, password, grants, failures, locked_until, created_at }
}

pub(crate) fn token(row: TokenRow) -> Result<StoredToken, Error> {
    let (digest, id, kind, owner, title, grants, created_at, expires_at) = row;
    let kind = TokenKind::from_stored(&kind).ok_or(Error::Damaged("token"))?;
    Ok(StoredToken { digest, id, kind, owner, title, grants, created_at, expires_at })
}

fn json(text: &str) -> Result<Value, Error> {
    serde_json::from_str(text).map_err(|_| Error::Damaged("body"))
}

fn open_hex(text: Option<&str>) -> Result<Option<SealedKey>, Error> {
    text.map(|text| SealedKey::from_hex(text).ok_or(Error::Damaged("secret"))).transpose()
}
