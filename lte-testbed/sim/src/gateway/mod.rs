//! The daemon around the core, as `agwd` is: one input, then its effects; nothing leaves before the records of its step, and of
//! every step before it, are durable; a failed save ends the process, loudly; what a dead process left is found by the next.
//!
//! ```text
//!   keeper ─┐                       ┌─► writer (groups) ──┐ durable
//!   traffic ┼─► core.step ─► hold ──┤                     ▼
//!   timers ─┘                       └──────────────► ready ──► outbox ──► flush: sends, acknowledgements
//!                                                      └─► data plane, at once
//! ```
//! A process can end between any two effects, and what it had not flushed is lost as a whole or from some point on.

mod keeper;
mod process;
mod records;

pub(crate) use keeper::{Keeper, KeeperEvent};
pub(crate) use process::Stop;
pub(crate) use records::Loaded;

use agw_core::Core;
use agw_subscribers::{Subscriber, Subscribers};
use agw_types::{Effect, GatewayConfig, Input, Limits, LinkId, Tunnel};
use basalt_sansio::{Rng, SecureSeed, SimRng, Time};
use basalt_security::{Provider, Sqn};
use basalt_store::{Config, Disk, MemDisk, OpenReport, Store};

use crate::check::Checks;
use process::Process;

/// What every life of the gateway begins with.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub config: GatewayConfig,
    pub limits: Limits,
    pub max_sessions: u32,
    pub provider: Provider,
    pub subscribers: Vec<Subscriber>,
}

/// Small segments, so that the log rolls over and is cleared up many times in a run.
const LOG: Config = Config { segment_bytes: 256 << 10, extend_bytes: 64 << 10, compact_step_bytes: 16 << 10 };

/// Something that leaves the process by the keeper's socket.
#[derive(Clone, Debug)]
pub(crate) enum Outgoing {
    Send { link: LinkId, stream: u16, pdu: Vec<u8> },
    Close(LinkId),
    Acknowledge(u64),
}

/// Something that may happen now that its records are durable.
#[derive(Debug)]
pub(crate) enum Ready {
    Effect(Effect),
    Acknowledge(u64),
}

#[derive(Debug)]
pub(crate) struct Gateway {
    setup: Setup,
    rng: SimRng,
    pub disk: MemDisk,
    pub keeper: Keeper,
    process: Option<Process>,
    /// Batches ever handed to a writer.
    batches: u64,
    /// Processes so far.
    pub lives: u32,
}

/// What a starting process found.
#[derive(Debug)]
pub(crate) struct Start {
    pub loaded: Loaded,
    pub report: OpenReport,
}

impl Gateway {
    pub(crate) fn new(setup: Setup, mut rng: SimRng) -> Self {
        let (disk, keeper) = (MemDisk::new(rng.next_u64()), Keeper::new(rng.next_u64()));
        Self { setup, rng, disk, keeper, process: None, batches: 0, lives: 0 }
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.process.is_some()
    }

    pub(crate) fn core(&self) -> Option<&Core> {
        self.process.as_ref().map(|process| &process.core)
    }

    /// Starts a process: reads the log, greets the keeper, compares all that is known with the data plane.
    pub(crate) fn start(&mut self, now: Time, installed: &[Tunnel], checks: &mut Checks) -> Result<(), String> {
        self.lives += 1;
        let (store, records, report) =
            Store::open(self.disk.clone(), LOG).map_err(|error| format!("the log does not open: {error}"))?;
        let loaded = records::load(&records);
        let start = Start { loaded, report };
        checks.started(&start);
        let Start { loaded, .. } = start;
        let mut subscribers = Subscribers::new(&self.entropy());
        for subscriber in &self.setup.subscribers {
            subscribers.insert(subscriber.clone(), false);
        }
        for (imsi, reserved) in &loaded.sqns {
            subscribers.restore_sqn(*imsi, Sqn::new(*reserved).unwrap_or_default());
        }
        let setup = &self.setup;
        let (config, limits, sessions) = (setup.config.clone(), setup.limits, setup.max_sessions);
        let (provider, seed) = (setup.provider, self.entropy());
        let mut core = Core::with_provider(config, limits, sessions, &seed, subscribers, provider);
        for subscriber in &self.setup.subscribers {
            for apn in &subscriber.profile.apns {
                if let Some(address) = apn.static_address() {
                    core.reserve_address(subscriber.profile.imsi, &apn.apn, address);
                }
            }
        }
        self.process = Some(Process::new(core, store, now, self.rng.fork()));
        self.restore(now, loaded, installed, checks);
        Ok(())
    }

    /// Brings store, base stations and data plane into one picture, in the daemon's order.
    fn restore(&mut self, now: Time, loaded: Loaded, installed: &[Tunnel], checks: &mut Checks) {
        let welcome = self.keeper.welcome();
        let same_keeper = loaded.keeper_instance == Some(self.keeper.instance);
        let instance = self.keeper.instance;
        let Some(process) = &mut self.process else { return };
        if !same_keeper {
            process.save_keeper_instance(instance, &mut self.batches, checks);
        }
        let known: Vec<LinkId> = loaded.links.iter().map(|link| link.link).collect();
        let (links, ues, bearers) = (loaded.links, loaded.ues, loaded.bearers);
        process.run(now, &mut self.batches, checks, |core, now, out| {
            core.remember_bearers(bearers);
            core.restore(now, links, ues, out);
        });
        for link in &known {
            if !same_keeper || !welcome.contains_key(link) {
                process.step(now, Input::LinkDown { link: *link }, None, &mut self.batches, checks);
            }
        }
        for (link, mut info) in welcome {
            info.resumed = same_keeper && known.contains(&link);
            process.step(now, Input::LinkUp { link, info }, None, &mut self.batches, checks);
        }
        process.run(now, &mut self.batches, checks, |core, now, out| core.reconcile(now, installed, out));
    }

    fn entropy(&mut self) -> SecureSeed {
        let mut seed = [0; 32];
        self.rng.fill(&mut seed);
        SecureSeed(seed)
    }

    /// One step that no event of the keeper caused.
    pub(crate) fn input(&mut self, now: Time, input: Input, checks: &mut Checks) {
        if let Some(process) = &mut self.process {
            process.step(now, input, None, &mut self.batches, checks);
        }
    }

    /// Takes one event of the keeper, if there is one. False when there was none.
    pub(crate) fn take_event(&mut self, now: Time, checks: &mut Checks) -> bool {
        let Some(process) = &mut self.process else { return false };
        let Some((seq, event)) = self.keeper.deliver() else { return false };
        let input = match event {
            KeeperEvent::Up(link, info) => Input::LinkUp { link, info },
            KeeperEvent::Message { link, stream, pdu } => Input::S1ap { link, stream, pdu },
            KeeperEvent::Restarted(link) => Input::LinkRestarted { link },
            KeeperEvent::Down(link) => Input::LinkDown { link },
        };
        process.step(now, input, Some(seq), &mut self.batches, checks);
        true
    }

    /// When the core wants to be woken, and when the writer is done.
    pub(crate) fn next_wakeup(&self) -> (Option<Time>, Option<Time>) {
        let Some(process) = &self.process else { return (None, None) };
        (process.next_wakeup(), process.commit_due())
    }

    /// The writer's moment: what it wrote is durable, or the disk failed.
    pub(crate) fn commit(&mut self, now: Time, checks: &mut Checks) -> Result<(), Stop> {
        match &mut self.process {
            Some(process) => process.commit(now, checks),
            None => Ok(()),
        }
    }

    /// Lets the writer begin, if something waits for it.
    pub(crate) fn write(&mut self, now: Time) -> Result<(), Stop> {
        match &mut self.process {
            Some(process) => process.begin_commit(now),
            None => Ok(()),
        }
    }

    pub(crate) fn pop_ready(&mut self) -> Option<Ready> {
        self.process.as_mut()?.pop_ready()
    }

    pub(crate) fn push_out(&mut self, outgoing: Outgoing) {
        if let Some(process) = &mut self.process {
            process.outbox.push(outgoing);
        }
    }

    pub(crate) fn flush(&mut self) -> Vec<Outgoing> {
        self.process.as_mut().map(|process| core::mem::take(&mut process.outbox)).unwrap_or_default()
    }

    /// The process ends now. What of its outbox got out comes back.
    pub(crate) fn die(&mut self) -> Vec<Outgoing> {
        let Some(process) = self.process.take() else { return Vec::new() };
        let mut outbox = process.outbox;
        let kept = match self.rng.below(3) {
            0 => 0,
            1 => outbox.len(),
            _ => self.rng.below(outbox.len() as u64 + 1) as usize,
        };
        outbox.truncate(kept);
        outbox
    }

    /// Whether the machine runs: a planned loss of power shows at the disk first.
    pub(crate) fn has_power(&self) -> bool {
        self.disk.clone().list().is_ok()
    }

    /// The machine comes up again after a loss of power: the disk has what survived, the keeper is another one.
    pub(crate) fn power_returns(&mut self) {
        self.keeper = Keeper::new(self.rng.next_u64());
    }

    /// Nothing is on its way: every effect has left, every record is durable.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.process.as_ref().is_some_and(Process::is_at_rest)
    }
}
