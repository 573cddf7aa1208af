//! Descriptors that outlive the daemon, by name: the keeper holds duplicates of them, the next daemon takes them up.
//!
//! ```text
//!   daemon                                  keeper (a Unix socket of its own, for this user only)
//!     │ g name ────────────────────────────►  │   + and a duplicate, or -
//!     │ p name, with a descriptor ──────────► │   +, or - when there is no room
//!     │ r name ────────────────────────────►  │   +
//! ```
//!
//! One request a connection. Whoever is slow, or says something else, is hung up on.

use std::collections::BTreeMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Descriptors that are held at most.
const MOST: usize = 16;
/// Octets of a name at most.
const LONGEST: usize = 32;
/// How long either end waits for the other.
const PATIENCE: Duration = Duration::from_secs(2);

const GET: u8 = b'g';
const PUT: u8 = b'p';
const REMOVE: u8 = b'r';
const YES: u8 = b'+';
const NO: u8 = b'-';

/// Where the shelf of the keeper on this socket is.
#[must_use]
pub fn of(keeper: &Path) -> PathBuf {
    keeper.with_extension("shelf")
}

/// The shelf of the keeper on this socket, as the data plane wants it.
#[must_use]
pub fn shelf(keeper: &Path) -> Arc<dyn agw_dataplane::Shelf> {
    Arc::new(Shelf { socket: of(keeper) })
}

/// The daemon's end.
#[derive(Debug)]
struct Shelf {
    socket: PathBuf,
}

impl Shelf {
    /// Whether the keeper did it, and what it gave.
    fn ask(&self, what: u8, name: &str, with: Option<BorrowedFd<'_>>) -> io::Result<(bool, Option<OwnedFd>)> {
        let stream = UnixStream::connect(&self.socket)?;
        patient(&stream)?;
        send(&stream, &[&[what], name.as_bytes()].concat(), with)?;
        let mut answer = [0];
        let (length, given) = receive(&stream, &mut answer)?;
        Ok((length == 1 && answer == [YES], given))
    }
}

impl agw_dataplane::Shelf for Shelf {
    fn get(&self, name: &str) -> Option<OwnedFd> {
        match self.ask(GET, name, None) {
            Ok((_, given)) => given,
            Err(error) => {
                tracing::debug!(%error, name, "the keeper's shelf");
                None
            }
        }
    }

    fn put(&self, name: &str, what: BorrowedFd<'_>) -> io::Result<()> {
        match self.ask(PUT, name, Some(what))? {
            (true, _) => Ok(()),
            (false, _) => Err(io::Error::other("the keeper's shelf is full")),
        }
    }

    fn remove(&self, name: &str) {
        if let Err(error) = self.ask(REMOVE, name, None) {
            tracing::debug!(%error, name, "the keeper's shelf");
        }
    }
}

/// Serves in a thread of its own until the process ends.
///
/// # Errors
/// Another keeper serves there, or the socket cannot be made.
pub fn serve(socket: &Path) -> io::Result<()> {
    if UnixStream::connect(socket).is_ok() {
        return Err(io::ErrorKind::AddrInUse.into());
    }
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(socket)?;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600))?;
    thread::Builder::new().name("shelf".into()).spawn(move || {
        let mut held = BTreeMap::new();
        for stream in listener.incoming() {
            match stream.and_then(|stream| answer(&stream, &mut held)) {
                Ok(()) => {}
                Err(error) => tracing::debug!(%error, "a daemon at the shelf"),
            }
        }
    })?;
    Ok(())
}

fn answer(stream: &UnixStream, held: &mut BTreeMap<Vec<u8>, OwnedFd>) -> io::Result<()> {
    patient(stream)?;
    let mut request = [0; 1 + LONGEST];
    let (length, given) = receive(stream, &mut request)?;
    let Some((what, name)) = request.get(..length).and_then(|request| request.split_first()) else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    match (*what, given) {
        (GET, None) => {
            let found = held.get(name).map(AsFd::as_fd);
            send(stream, &[if found.is_some() { YES } else { NO }], found)
        }
        (PUT, Some(given)) => {
            let room = held.len() < MOST || held.contains_key(name);
            if room {
                held.insert(name.to_vec(), given);
            }
            send(stream, &[if room { YES } else { NO }], None)
        }
        (REMOVE, None) => {
            held.remove(name);
            send(stream, &[YES], None)
        }
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn patient(stream: &UnixStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))
}

/// Octets of a control message with one descriptor (cmsg(3)).
const ONE: u32 = size_of::<libc::c_int>() as u32;

/// Room for it, aligned as it must be.
type Control = [u64; 4];

fn message(data: &mut libc::iovec, control: &mut Control, controls: usize) -> libc::msghdr {
    // SAFETY: all octets zero is a valid message: without address, data and control messages.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_iov = data;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = controls as _;
    message
}

fn send(stream: &UnixStream, octets: &[u8], with: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let mut data = libc::iovec { iov_base: octets.as_ptr().cast_mut().cast(), iov_len: octets.len() };
    let mut control = Control::default();
    // SAFETY: plain arithmetic.
    let (space, length) = unsafe { (libc::CMSG_SPACE(ONE), libc::CMSG_LEN(ONE)) };
    let message = message(&mut data, &mut control, if with.is_some() { space as usize } else { 0 });
    if let Some(with) = with {
        // SAFETY: the control buffer has room for one message of one descriptor, so there is a first header.
        unsafe {
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = length as _;
            libc::CMSG_DATA(header).cast::<libc::c_int>().write_unaligned(with.as_raw_fd());
        }
    }
    // SAFETY: data and control live across the call.
    match unsafe { libc::sendmsg(stream.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) } {
        sent if sent < 0 => Err(io::Error::last_os_error()),
        sent if sent as usize == octets.len() => Ok(()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}

/// What came, and the descriptor that came with it; others are closed by the kernel.
fn receive(stream: &UnixStream, buffer: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut data = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let mut control = Control::default();
    // SAFETY: plain arithmetic. No more than one descriptor fits.
    let length = unsafe { libc::CMSG_LEN(ONE) };
    let mut message = message(&mut data, &mut control, length as usize);
    // SAFETY: data and control live across the call, and are as long as said.
    let received = unsafe { libc::recvmsg(stream.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC) };
    let Ok(received) = usize::try_from(received) else { return Err(io::Error::last_os_error()) };
    // SAFETY: the kernel has written whole headers, and says by the length whether there is one.
    let given = unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        let one = !header.is_null()
            && (*header).cmsg_level == libc::SOL_SOCKET
            && (*header).cmsg_type == libc::SCM_RIGHTS
            && (*header).cmsg_len as usize == length as usize;
        one.then(|| OwnedFd::from_raw_fd(libc::CMSG_DATA(header).cast::<libc::c_int>().read_unaligned()))
    };
    Ok((received, given))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{Read as _, Seek as _, Write as _};

    #[test]
    fn what_lies_there_is_taken_up_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let keeper = folder.path().join("keeper.sock");
        let shelf = shelf(&keeper);
        assert!(shelf.get("tables").is_none(), "no keeper");
        serve(&of(&keeper)).unwrap();
        assert!(serve(&of(&keeper)).is_err(), "there is one");
        assert!(shelf.get("tables").is_none());
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"counted").unwrap();
        shelf.put("tables", file.as_fd()).unwrap();
        drop(file);
        let mut again = File::from(shelf.get("tables").unwrap());
        let mut found = String::new();
        again.rewind().unwrap();
        again.read_to_string(&mut found).unwrap();
        assert_eq!(found, "counted");
        shelf.remove("tables");
        assert!(shelf.get("tables").is_none());
    }

    #[test]
    fn it_has_room_for_so_many() {
        let folder = tempfile::tempdir().unwrap();
        let keeper = folder.path().join("keeper.sock");
        serve(&of(&keeper)).unwrap();
        let shelf = shelf(&keeper);
        let file = tempfile::tempfile().unwrap();
        for number in 0..MOST {
            shelf.put(&format!("name {number}"), file.as_fd()).unwrap();
        }
        shelf.put("name 3", file.as_fd()).expect("in the place of the one before");
        assert!(shelf.put("another", file.as_fd()).is_err());
        shelf.remove("name 3");
        shelf.put("another", file.as_fd()).unwrap();
    }

    #[test]
    fn nonsense_is_hung_up_on() {
        let folder = tempfile::tempdir().unwrap();
        let keeper = folder.path().join("keeper.sock");
        serve(&of(&keeper)).unwrap();
        for request in [&b"x"[..], b"p without a descriptor"] {
            let mut stream = UnixStream::connect(of(&keeper)).unwrap();
            stream.write_all(request).unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            assert_eq!(answer, b"");
        }
        assert!(shelf(&keeper).get("tables").is_none());
    }
}
