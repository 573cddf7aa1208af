//! A door from the machine's own loopback to the orchestrator inside the lab: a browser outside sees the console through it.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result};

use crate::lab::NetNs;

/// Where it is, if nobody else is there.
const USUAL: &str = "127.0.0.1:8480";
/// Connections at once; further ones are closed.
const MOST: usize = 64;

/// Opens it, for as long as this process lives; the address to give to a browser.
///
/// # Errors
/// No port is free on the loopback.
pub(super) fn open(inside: &NetNs, to: &'static str) -> Result<SocketAddr> {
    let listener = TcpListener::bind(USUAL).or_else(|_| TcpListener::bind("127.0.0.1:0"));
    let listener = listener.context("no port is free for the console")?;
    let address = listener.local_addr()?;
    let (inside, open) = (inside.clone(), Arc::new(AtomicUsize::new(0)));
    let serve = move || {
        for outer in listener.incoming().filter_map(|stream| stream.ok()) {
            if open.load(Ordering::Relaxed) >= MOST {
                continue;
            }
            let Ok(inner) = inside.run(move || Ok(TcpStream::connect(to)?)) else { continue };
            // A connection that cannot be joined is dropped, which closes it.
            let _ = join(outer, inner, &open);
        }
    };
    thread::Builder::new().name("console-door".to_owned()).spawn(serve)?;
    Ok(address)
}

/// Carries octets both ways until both sides have ended.
fn join(outer: TcpStream, inner: TcpStream, open: &Arc<AtomicUsize>) -> io::Result<()> {
    let (from_outer, from_inner) = (outer.try_clone()?, inner.try_clone()?);
    let counted = Arc::clone(open);
    open.fetch_add(1, Ordering::Relaxed);
    let up = thread::Builder::new().spawn(move || carry(from_outer, inner));
    let down = thread::Builder::new().spawn(move || {
        carry(from_inner, outer);
        counted.fetch_sub(1, Ordering::Relaxed);
    });
    if down.is_err() {
        open.fetch_sub(1, Ordering::Relaxed);
    }
    up.and(down).map(|_| ())
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    // Whatever ends it, the other side is told.
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
