//! Files in the format age-encryption.org/v1 (C2SP `age`): for X25519 recipients or a passphrase. Debian's `age` reads and writes them.
//!
//! Only the format is here; ciphers, key agreement and derivation are those of the crates that the rest of the house uses.

mod head;
mod stream;

use crate::Error;
use bech32::{Bech32, Hrp};
use std::fmt;
use std::io::{Read, Write};
use std::str::FromStr;
use x25519_dalek::{X25519_BASEPOINT_BYTES, x25519};
use zeroize::Zeroizing;

pub use stream::{Reader, Writer};

const PUBLIC: Hrp = Hrp::parse_unchecked("age");
const SECRET: Hrp = Hrp::parse_unchecked("age-secret-key-");
/// Characters that a passphrase has at least.
const PASSPHRASE: usize = 12;
/// 2^17 steps: 128 MiB of memory and about half a second.
const WORK: u8 = 17;

/// Whom a file is for: what is written into `age -r`.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient([u8; 32]);

/// The key of a recipient.
#[derive(Clone)]
pub struct Identity(Zeroizing<[u8; 32]>);

/// A passphrase.
#[derive(Clone)]
pub struct Passphrase {
    words: Zeroizing<String>,
    work: u8,
}

/// With what a file is closed.
#[derive(Debug, Clone)]
pub enum Lock {
    /// A passphrase.
    Passphrase(Passphrase),
    /// One or more recipients, each of which can open it.
    Recipients(Vec<Recipient>),
}

/// With what a file is opened.
#[derive(Debug, Clone)]
pub enum Opener {
    /// A passphrase.
    Passphrase(Passphrase),
    /// Keys, one of which fits.
    Identities(Vec<Identity>),
}

impl Identity {
    /// A new key.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn generate() -> Result<Self, Error> {
        let mut key = Zeroizing::new([0; 32]);
        fill(key.as_mut())?;
        Ok(Self(key))
    }

    /// Whom files are for that it opens.
    #[must_use]
    pub fn recipient(&self) -> Recipient {
        Recipient(x25519(*self.0, X25519_BASEPOINT_BYTES))
    }

    /// As `age-keygen` writes it.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let text = bech32::encode::<Bech32>(SECRET, self.0.as_slice()).unwrap_or_default();
        Zeroizing::new(text.to_ascii_uppercase())
    }
}

impl FromStr for Identity {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = Error::Key("that is no key: it begins with AGE-SECRET-KEY-1");
        match key(text, &SECRET) {
            Some(key) => Ok(Self(key)),
            None => Err(wrong),
        }
    }
}

impl FromStr for Recipient {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        key(text, &PUBLIC).map(|key| Self(*key)).ok_or(Error::Key("that is no recipient: it begins with age1"))
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bech32::encode::<Bech32>(PUBLIC, &self.0).unwrap_or_default())
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(…)")
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

impl Passphrase {
    /// A passphrase of at least 12 characters.
    ///
    /// # Errors
    /// [`Error::Key`].
    pub fn new(words: &str) -> Result<Self, Error> {
        if words.chars().count() < PASSPHRASE {
            return Err(Error::Key("a passphrase has 12 characters or more"));
        }
        Ok(Self { words: Zeroizing::new(words.to_owned()), work: WORK })
    }

    /// With another amount of work to make a key of it: 2^`work` steps. For tests, and machines with little memory.
    #[must_use]
    pub fn with_work(mut self, work: u8) -> Self {
        self.work = work.clamp(1, head::MOST_WORK);
        self
    }
}

/// Begins a closed file.
///
/// # Errors
/// The output, or [`Error::Key`] without any recipient.
pub fn seal<W: Write>(lock: &Lock, mut out: W) -> Result<Writer<W>, Error> {
    let mut key = Zeroizing::new([0; 16]);
    fill(key.as_mut())?;
    out.write_all(&head::write(lock, &key)?)?;
    let mut nonce = [0; 16];
    fill(&mut nonce)?;
    out.write_all(&nonce)?;
    Ok(Writer::new(out, &payload_key(&key, &nonce)))
}

/// Opens a closed file; what is read was not changed by anybody.
///
/// # Errors
/// [`Error::Damaged`], [`Error::Closed`].
pub fn open<R: Read>(opener: &Opener, mut input: R) -> Result<Reader<R>, Error> {
    let key = head::read(opener, &mut input)?;
    let mut nonce = [0; 16];
    input.read_exact(&mut nonce).map_err(|_| Error::damaged("it is cut off"))?;
    Ok(Reader::new(input, &payload_key(&key, &nonce)))
}

fn payload_key(key: &[u8; 16], nonce: &[u8; 16]) -> Zeroizing<[u8; 32]> {
    head::derive(Some(nonce), key, b"payload")
}

fn key(text: &str, form: &Hrp) -> Option<Zeroizing<[u8; 32]>> {
    let (found, octets) = bech32::decode(text.trim()).ok()?;
    let octets = Zeroizing::new(octets);
    let key = <[u8; 32]>::try_from(octets.as_slice()).ok()?;
    (found == *form).then(|| Zeroizing::new(key))
}

fn fill(octets: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(octets).map_err(|error| std::io::Error::other(format!("no randomness: {error}")).into())
}

#[cfg(test)]
mod tests;
