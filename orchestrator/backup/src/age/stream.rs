//! The body of a file: pieces of 64 KiB, each closed with its number and whether it is the last.

use chacha20poly1305::aead::{Aead as _, KeyInit as _};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use std::io::{self, Read, Write};
use zeroize::Zeroizing;

const PIECE: usize = 64 << 10;
const TAG: usize = 16;

/// Closes what is written. [`Writer::finish`] writes the last piece: without it the file is cut off.
pub struct Writer<W> {
    out: W,
    cipher: ChaCha20Poly1305,
    number: u64,
    waiting: Zeroizing<Vec<u8>>,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(out: W, key: &[u8; 32]) -> Self {
        Self { out, cipher: ChaCha20Poly1305::new(key.into()), number: 0, waiting: Zeroizing::default() }
    }

    /// Writes the last piece.
    ///
    /// # Errors
    /// The output.
    pub fn finish(mut self) -> io::Result<W> {
        self.piece(true)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn piece(&mut self, last: bool) -> io::Result<()> {
        let closed = self.cipher.encrypt(&nonce(self.number, last), self.waiting.as_slice());
        self.out.write_all(&closed.map_err(|_| io::Error::other("a piece cannot be encrypted"))?)?;
        self.waiting.clear();
        self.number += 1;
        Ok(())
    }
}

impl<W: Write> Write for Writer<W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if self.waiting.len() == PIECE && !octets.is_empty() {
            self.piece(false)?;
        }
        let taken = octets.len().min(PIECE - self.waiting.len());
        self.waiting.extend(octets.iter().take(taken));
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        // A piece is full, or the last one.
        self.out.flush()
    }
}

/// Opens what is read: nothing of a piece is given before the piece is known to be whole and in its place.
pub struct Reader<R> {
    input: R,
    cipher: ChaCha20Poly1305,
    number: u64,
    /// One octet more than a piece, to know whether it is the last.
    closed: Vec<u8>,
    open: Zeroizing<Vec<u8>>,
    given: usize,
    ended: bool,
}

impl<R: Read> Reader<R> {
    pub(super) fn new(input: R, key: &[u8; 32]) -> Self {
        let cipher = ChaCha20Poly1305::new(key.into());
        Self { input, cipher, number: 0, closed: Vec::new(), open: Zeroizing::default(), given: 0, ended: false }
    }

    fn piece(&mut self) -> io::Result<()> {
        let whole = PIECE + TAG;
        let wanted = u64::try_from(whole + 1 - self.closed.len()).unwrap_or(0);
        Read::by_ref(&mut self.input).take(wanted).read_to_end(&mut self.closed)?;
        let last = self.closed.len() <= whole;
        let piece = self.closed.get(..whole.min(self.closed.len())).unwrap_or_default();
        let opened = self.cipher.decrypt(&nonce(self.number, last), piece);
        let broken = || io::Error::new(io::ErrorKind::InvalidData, "it was changed, or is cut off");
        self.open = Zeroizing::new(opened.map_err(|_| broken())?);
        // Only an empty file has an empty piece.
        if self.open.is_empty() && self.number > 0 {
            return Err(broken());
        }
        self.closed.drain(..whole.min(self.closed.len()));
        self.given = 0;
        self.number += 1;
        self.ended = last;
        Ok(())
    }
}

impl<R: Read> Read for Reader<R> {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        while self.given == self.open.len() {
            if self.ended {
                return Ok(0);
            }
            self.piece()?;
        }
        let rest = self.open.get(self.given..).unwrap_or_default();
        let taken = rest.len().min(octets.len());
        for (to, from) in octets.iter_mut().zip(rest.iter().take(taken)) {
            *to = *from;
        }
        self.given += taken;
        Ok(taken)
    }
}

/// Eleven octets of the piece's number, and one that says whether it is the last.
fn nonce(number: u64, last: bool) -> Nonce {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&number.to_be_bytes());
    nonce[11] = u8::from(last);
    nonce.into()
}
