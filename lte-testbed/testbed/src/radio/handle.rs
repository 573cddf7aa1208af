//! The radio's thread, and how others talk to it.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc as std_mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use basalt_sctp::Backend;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

use super::io::{Io, Plane};
use crate::lab::NetNs;
use crate::lab::netns::runtime;

/// The radio as its own thread shares it among its tasks.
pub type Shared = Rc<RefCell<Io>>;

type Command = Box<dyn FnOnce(&Shared) + Send>;

/// Where and how a radio runs.
#[derive(Clone, Debug)]
pub struct RadioOptions {
    /// Its namespace; `None` runs it where the process is.
    pub ns: Option<NetNs>,
    /// Which SCTP.
    pub backend: Backend,
    /// The gateway's S1AP address and port.
    pub mme: SocketAddr,
    /// The gateway's UDP port, with UDP encapsulation.
    pub remote_udp_port: u16,
}

/// A running radio. Dropped, it ends; its associations are shut down.
#[derive(Debug)]
pub struct Radio {
    commands: Option<mpsc::Sender<Command>>,
    thread: Option<JoinHandle<Result<()>>>,
}

/// Commands that may wait. Each caller waits for its answer, so this is how many callers there may be at a time.
const CALLERS: usize = 64;

impl Radio {
    /// Starts a radio without base stations.
    ///
    /// # Errors
    /// No thread, or no right to enter the namespace.
    pub fn start(options: &RadioOptions) -> Result<Self> {
        let plane = Plane { backend: options.backend, mme: options.mme, remote_udp_port: options.remote_udp_port };
        let (commands, queue) = mpsc::channel(CALLERS);
        let work = move || -> Result<()> {
            let runtime = runtime()?;
            LocalSet::new().block_on(&runtime, serve(plane, queue));
            Ok(())
        };
        let thread = match &options.ns {
            Some(ns) => ns.spawn("radio", work)?,
            None => std::thread::Builder::new().name("radio".to_owned()).spawn(work)?,
        };
        Ok(Self { commands: Some(commands), thread: Some(thread) })
    }

    /// Does something in the radio's thread and brings the result back.
    ///
    /// # Errors
    /// The radio's thread has ended.
    pub fn call<T: Send + 'static>(&self, work: impl FnOnce(&mut Io) -> T + Send + 'static) -> Result<T> {
        self.with_shared(move |shared| work(&mut shared.borrow_mut()))
    }

    /// Like [`Radio::call`], with the radio as its tasks see it: for starting tasks.
    ///
    /// # Errors
    /// The radio's thread has ended.
    pub fn with_shared<T: Send + 'static>(&self, work: impl FnOnce(&Shared) -> T + Send + 'static) -> Result<T> {
        let (reply, replied) = std_mpsc::sync_channel(1);
        let command: Command = Box::new(move |shared| {
            let _ = reply.send(work(shared));
        });
        let commands = self.commands.as_ref().context("the radio has ended")?;
        commands.blocking_send(command).map_err(|_| anyhow!("the radio has ended"))?;
        replied.recv().map_err(|_| anyhow!("the radio has ended"))
    }

    /// Waits until `condition` gives a value, at most `limit`; `None` if it never did.
    ///
    /// # Errors
    /// The radio's thread has ended.
    pub fn wait<T: Send + 'static>(
        &self,
        limit: Duration,
        condition: impl Fn(&mut Io) -> Option<T> + Send + Sync + Clone + 'static,
    ) -> Result<Option<T>> {
        const STEP: Duration = Duration::from_millis(2);
        let deadline = Instant::now() + limit;
        loop {
            let condition = condition.clone();
            if let Some(value) = self.call(move |io| condition(io))? {
                return Ok(Some(value));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            std::thread::sleep(STEP);
        }
    }
}

impl Drop for Radio {
    fn drop(&mut self) {
        drop(self.commands.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(plane: Plane, mut queue: mpsc::Receiver<Command>) {
    let shared = Io::new(plane);
    let alarm = tokio::task::spawn_local(wake(shared.clone()));
    while let Some(command) = queue.recv().await {
        command(&shared);
    }
    alarm.abort();
    shut_down(&shared).await;
}

/// Lets the associations end well, for a moment.
async fn shut_down(shared: &Shared) {
    let count = shared.borrow().site.enb_count();
    for enb in 0..count {
        shared.borrow_mut().disconnect_enb(enb);
    }
    if count > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Steps the site whenever one of its timers is due.
async fn wake(shared: Shared) {
    let alarm = shared.borrow().alarm();
    loop {
        let (next, now) = {
            let mut io = shared.borrow_mut();
            (io.arm(), io.now())
        };
        match next {
            Some(at) => {
                let _ = tokio::time::timeout(at.since(now), alarm.notified()).await;
            }
            None => alarm.notified().await,
        }
        shared.borrow_mut().wakeup();
    }
}
