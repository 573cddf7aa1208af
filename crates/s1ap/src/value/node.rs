//! What eNodeBs and MMEs say about themselves (TS 36.413 §9.1.8).

use super::Extension;
use basalt_ids::{MmeCode, MmeGroupId, Plmn, Tac};
use core::fmt;
use serde::{Deserialize, Serialize};

/// Name of an eNodeB or MME, 1 to 150 octets.
///
/// The standard allows the characters of a PrintableString, which is what [`Name::new`] accepts. eNodeBs in the field send
/// others too (an underscore is common), so a received name may hold any UTF-8 without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// A name to send.
    ///
    /// # Errors
    /// [`InvalidName`] when it is empty, longer than 150 characters, or holds a character that no PrintableString has.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidName> {
        let name = name.into();
        let printable = |b: u8| b.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&b);
        if name.is_empty() || name.len() > 150 || !name.bytes().all(printable) {
            return Err(InvalidName);
        }
        Ok(Self(name))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A name as received: 1 to 150 octets of UTF-8 without control characters.
    pub(crate) fn received(octets: &[u8]) -> Option<Self> {
        let name = core::str::from_utf8(octets).ok()?;
        let fits = !name.is_empty() && name.len() <= 150 && !name.chars().any(char::is_control);
        fits.then(|| Self(name.to_owned()))
    }
}

impl TryFrom<String> for Name {
    type Error = InvalidName;

    /// As received, so that a recorded name can be read again.
    fn try_from(name: String) -> Result<Self, InvalidName> {
        Name::received(name.as_bytes()).ok_or(InvalidName)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is no name of a node: 1 to 150 characters out of letters, digits, space and `'()+,-./:=?`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a node name has 1 to 150 characters out of letters, digits, space and '()+,-./:=?")]
pub struct InvalidName;

/// A tracking area that an eNodeB serves and the networks it broadcasts there (§9.1.8.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupportedTa {
    /// Tracking area code.
    pub tac: Tac,
    /// Networks, 1 to 6.
    pub broadcast_plmns: Vec<Plmn>,
    /// Extension IEs (RAT-Type is here).
    pub extensions: Vec<Extension>,
}

impl SupportedTa {
    /// An area.
    #[must_use]
    pub const fn new(tac: Tac, broadcast_plmns: Vec<Plmn>) -> Self {
        Self { tac, broadcast_plmns, extensions: Vec::new() }
    }
}

/// Identities that an MME serves under: every combination of the three lists (§9.1.8.5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServedGummeis {
    /// Networks, 1 to 32.
    pub plmns: Vec<Plmn>,
    /// MME groups, 1 to 65535.
    pub groups: Vec<MmeGroupId>,
    /// MME codes, 1 to 256.
    pub codes: Vec<MmeCode>,
    /// Extension IEs.
    pub extensions: Vec<Extension>,
}
