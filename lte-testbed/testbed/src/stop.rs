//! What happens at Ctrl-C, and when the process is asked to end or loses its terminal.
//!
//! A command that made a lab takes it down and ends, wherever it is at that moment; one that wants to end in its own order
//! asks for [`requests`] instead.

use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use anyhow::{Result, bail};

use crate::lab::{Lab, netns};

/// Labs that go when the process is asked to end.
static LABS: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// Held while something is made that has to be found when it is taken down.
static MAKING: Mutex<()> = Mutex::new(());
/// The watcher, once there is one.
static WATCHER: OnceLock<()> = OnceLock::new();
/// What a shell says of a program that ended by SIGINT.
const INTERRUPTED: i32 = 130;

/// From now on this lab is taken down, and the process ended, when that is asked for.
///
/// # Errors
/// Signals cannot be watched.
pub fn take_down(lab: &str) -> Result<()> {
    lock(&LABS).push(lab.to_owned());
    if WATCHER.set(()).is_ok() {
        let asked = watch()?;
        thread::Builder::new().name("stop".to_owned()).spawn(move || {
            while asked.recv().is_ok() {
                end_if_there_is_a_lab();
            }
        })?;
    }
    Ok(())
}

/// This lab is gone, or somebody else takes care of it.
pub fn forget(lab: &str) {
    lock(&LABS).retain(|name| name != lab);
}

/// While this is held, nothing is taken down; once something is, nobody gets it any more.
pub fn making() -> MutexGuard<'static, ()> {
    lock(&MAKING)
}

/// A channel that gets a word for each request to end. The labs are the caller's to take down from now on.
///
/// # Errors
/// Signals cannot be watched.
pub fn requests() -> Result<Receiver<()>> {
    let asked = watch()?;
    lock(&LABS).clear();
    Ok(asked)
}

fn end_if_there_is_a_lab() {
    // Never given back: whoever is about to make something waits for the end of the process.
    let _making = making();
    let labs = std::mem::take(&mut *lock(&LABS));
    if labs.is_empty() {
        return;
    }
    eprintln!("\ntestbed: stopped; taking everything down");
    for lab in labs.into_iter().filter(|lab| Lab::owner(lab).is_none()) {
        if let Err(error) = Lab::down(&lab) {
            eprintln!("testbed: {error:#}");
        }
    }
    std::process::exit(INTERRUPTED);
}

/// Watches SIGINT, SIGTERM and SIGHUP on a thread of its own.
fn watch() -> Result<Receiver<()>> {
    let (tell, told) = mpsc::channel();
    let (ready, is_ready) = mpsc::channel();
    thread::Builder::new().name("signals".to_owned()).spawn(move || -> Result<()> {
        netns::runtime()?.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let mut interrupt = signal(SignalKind::interrupt())?;
            let mut terminate = signal(SignalKind::terminate())?;
            let mut hangup = signal(SignalKind::hangup())?;
            let _ = ready.send(());
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = hangup.recv() => {}
                }
                if tell.send(()).is_err() {
                    return Ok(());
                }
            }
        })
    })?;
    if is_ready.recv().is_err() {
        bail!("signals cannot be watched");
    }
    Ok(told)
}

fn lock<T>(mutex: &'static Mutex<T>) -> MutexGuard<'static, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
