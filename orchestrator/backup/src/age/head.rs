//! The head of a file: for whom it is, with the file's key wrapped for each.

use super::{Identity, Lock, Opener, Recipient, fill};
use crate::Error;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use std::io::Read;
use x25519_dalek::{X25519_BASEPOINT_BYTES, x25519};
use zeroize::Zeroizing;

const VERSION: &str = "age-encryption.org/v1";
const X25519: &[u8] = b"age-encryption.org/v1/X25519";
const SCRYPT: &[u8] = b"age-encryption.org/v1/scrypt";
/// What a stranger's file may make us do: 2^20 steps, a gibibyte.
pub(super) const MOST_WORK: u8 = 20;
/// A head with a few hundred recipients.
const MOST_HEAD: usize = 64 << 10;

type FileKey = Zeroizing<[u8; 16]>;

/// Of RFC 5869, with SHA-256.
pub(super) fn derive(salt: Option<&[u8]>, key: &[u8], info: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    // Expanding fails only beyond 255 blocks.
    let _ = Hkdf::<Sha256>::new(salt, key).expand(info, out.as_mut());
    out
}

/// The head of a new file.
pub(super) fn write(lock: &Lock, key: &[u8; 16]) -> Result<Vec<u8>, Error> {
    let mut text = format!("{VERSION}\n");
    match lock {
        Lock::Passphrase(passphrase) => {
            let mut salt = [0; 16];
            fill(&mut salt)?;
            let wrapping = stretched(&passphrase.words, &salt, passphrase.work)?;
            let (salt, work) = (STANDARD_NO_PAD.encode(salt), passphrase.work);
            text += &format!("-> scrypt {salt} {work}\n{}\n", wrapped(&wrapping, key));
        }
        Lock::Recipients(all) if all.is_empty() => return Err(Error::Key("name a recipient, or a passphrase")),
        Lock::Recipients(all) => {
            for Recipient(to) in all {
                let mut own = Zeroizing::new([0; 32]);
                fill(own.as_mut())?;
                let share = x25519(*own, X25519_BASEPOINT_BYTES);
                let wrapping = agreed(&own, to, &share, to).ok_or(Error::Key("that recipient cannot be used"))?;
                let share = STANDARD_NO_PAD.encode(share);
                text += &format!("-> X25519 {share}\n{}\n", wrapped(&wrapping, key));
            }
        }
    }
    text += "---";
    let mark = STANDARD_NO_PAD.encode(mark(key, text.as_bytes())?.finalize().into_bytes());
    Ok(format!("{text} {mark}\n").into_bytes())
}

/// Reads a head and unwraps the file's key.
pub(super) fn read(opener: &Opener, input: &mut impl Read) -> Result<FileKey, Error> {
    let mut head = Head { input, text: Vec::new() };
    if head.line()? != VERSION {
        return Err(Error::damaged("it is no encrypted copy of this form"));
    }
    let mut found: Option<FileKey> = None;
    let mut stanzas = 0;
    loop {
        let line = head.line()?;
        if let Some(said) = line.strip_prefix("--- ") {
            let key = found.ok_or(Error::Closed)?;
            let said = decode(said)?;
            let to = head.text.len() - line.len() - 1 + 3;
            let marked = head.text.get(..to).unwrap_or_default();
            let own = mark(&key, marked)?;
            return own.verify_slice(&said).map(|()| key).map_err(|_| Error::damaged("its head was changed"));
        }
        let words = line.strip_prefix("-> ").ok_or_else(|| Error::damaged("its head cannot be read"))?;
        let words: Vec<&str> = words.split(' ').collect();
        let body = head.body()?;
        stanzas += 1;
        if words.first() == Some(&"scrypt") && (stanzas > 1 || words.len() != 3) {
            return Err(Error::damaged("its head cannot be read"));
        }
        if found.is_none() {
            found = unwrapped(opener, &words, &body)?;
        }
    }
}

struct Head<'a, R> {
    input: &'a mut R,
    text: Vec<u8>,
}

impl<R: Read> Head<'_, R> {
    fn line(&mut self) -> Result<String, Error> {
        let from = self.text.len();
        loop {
            let mut octet = [0];
            self.input.read_exact(&mut octet).map_err(|_| Error::damaged("it is no encrypted copy, or cut off"))?;
            self.text.extend(octet);
            if octet == *b"\n" {
                break;
            }
            if self.text.len() > MOST_HEAD || !(b' '..=b'~').contains(&octet[0]) {
                return Err(Error::damaged("it is no encrypted copy of this form"));
            }
        }
        let line = self.text.get(from..self.text.len() - 1).unwrap_or_default();
        Ok(String::from_utf8_lossy(line).into_owned())
    }

    /// Lines of 64 characters, and a shorter one at the end.
    fn body(&mut self) -> Result<Vec<u8>, Error> {
        let mut text = String::new();
        loop {
            let line = self.line()?;
            if line.len() > 64 {
                return Err(Error::damaged("its head cannot be read"));
            }
            text += &line;
            if line.len() < 64 {
                return decode(&text);
            }
        }
    }
}

fn unwrapped(opener: &Opener, words: &[&str], body: &[u8]) -> Result<Option<FileKey>, Error> {
    match (opener, words) {
        (Opener::Identities(all), ["X25519", share]) => {
            let share = <[u8; 32]>::try_from(decode(share)?).map_err(|_| Error::damaged("its head cannot be read"))?;
            let opens = |identity: &Identity| {
                let wrapping = agreed(&identity.0, &share, &share, &identity.recipient().0)?;
                unwrap(&wrapping, body)
            };
            Ok(all.iter().find_map(opens))
        }
        (Opener::Passphrase(passphrase), ["scrypt", salt, work]) => {
            let work: u8 = work.parse().map_err(|_| Error::damaged("its head cannot be read"))?;
            if work == 0 || work > MOST_WORK {
                return Err(Error::damaged("it asks for more work than a passphrase needs"));
            }
            let wrapping = stretched(&passphrase.words, &decode(salt)?, work)?;
            Ok(unwrap(&wrapping, body))
        }
        _ => Ok(None),
    }
}

/// The key that both sides of an agreement have. None for a point of low order, with which anybody would have it.
fn agreed(own: &[u8; 32], other: &[u8; 32], share: &[u8; 32], to: &[u8; 32]) -> Option<Zeroizing<[u8; 32]>> {
    let secret = Zeroizing::new(x25519(*own, *other));
    (*secret != [0; 32]).then(|| derive(Some(&[*share, *to].concat()), secret.as_slice(), X25519))
}

fn stretched(words: &str, salt: &[u8], work: u8) -> Result<Zeroizing<[u8; 32]>, Error> {
    let unfit = |_| Error::damaged("its head cannot be read");
    let params = scrypt::Params::new(work, 8, 1).map_err(unfit)?;
    let mut key = Zeroizing::new([0; 32]);
    let made = scrypt::scrypt(words.as_bytes(), &[SCRYPT, salt].concat(), &params, key.as_mut());
    made.map_err(|_| Error::damaged("its head cannot be read"))?;
    Ok(key)
}

/// A wrapping key is used once: its nonce is zero.
fn wrapped(wrapping: &[u8; 32], key: &[u8; 16]) -> String {
    let cipher = ChaCha20Poly1305::new(wrapping.into());
    STANDARD_NO_PAD.encode(cipher.encrypt(&Nonce::default(), key.as_slice()).unwrap_or_default())
}

fn unwrap(wrapping: &[u8; 32], body: &[u8]) -> Option<FileKey> {
    let cipher = ChaCha20Poly1305::new(wrapping.into());
    let key = Zeroizing::new(cipher.decrypt(&Nonce::default(), body).ok()?);
    <[u8; 16]>::try_from(key.as_slice()).ok().map(Zeroizing::new)
}

fn mark(key: &[u8; 16], text: &[u8]) -> Result<Hmac<Sha256>, Error> {
    let own = derive(None, key, b"header");
    let mark = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(own.as_slice());
    let mut mark = mark.map_err(|_| Error::damaged("its head cannot be read"))?;
    mark.update(text);
    Ok(mark)
}

fn decode(text: &str) -> Result<Vec<u8>, Error> {
    STANDARD_NO_PAD.decode(text).map_err(|_| Error::damaged("its head cannot be read"))
}
