//! The air between phones and base stations: what is lost here is lost for good, comes twice, or comes late.

use basalt_ids::Tai;
use basalt_s1ap::{PagingIdentity, SecurityKey};
use basalt_sansio::Time;
use testbed_netem::{Link, Profile};
use testbed_ran::{Configuration, ConnectRequest};

/// A radio connection: every one that a phone ever asked for has its own number, and that number is the phone as its base
/// station knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Connection(pub u32);

/// From a phone.
#[derive(Clone, Debug)]
pub(crate) enum Up {
    Connect(Box<ConnectRequest>),
    Nas(Connection, Vec<u8>),
    /// The answer to the configuration of this number.
    Configured(Connection, u64, bool),
    Abandon(Connection),
}

/// To phones.
#[derive(Clone, Debug)]
pub(crate) enum Down {
    Nas(Connection, Vec<u8>),
    Configure(Connection, u64, Box<Configuration>),
    Release(Connection),
    Refuse(Connection),
    Page(PagingIdentity),
    /// A handover is over: the keys of the next one, and the area the phone is in now. Numbered as configurations are.
    Moved(Connection, u64, u8, SecurityKey, Tai),
}

/// One direction of a cell.
#[derive(Debug)]
pub(crate) struct Air<M> {
    link: Link<M>,
    steady: Profile,
}

impl<M: Clone> Air<M> {
    pub(crate) fn new(profile: Profile, seed: u64) -> Self {
        let steady = Profile { delay: profile.delay, ..Profile::PERFECT };
        Self { link: Link::new(profile, seed), steady }
    }

    /// Puts a message on the air. False when it is lost.
    pub(crate) fn send(&mut self, now: Time, message: M) -> bool {
        let before = self.link.stats();
        self.link.send(now, message);
        let after = self.link.stats();
        (before.lost, before.overflowed) == (after.lost, after.overflowed)
    }

    pub(crate) fn receive(&mut self, now: Time) -> Option<M> {
        self.link.receive(now)
    }

    pub(crate) fn next(&self) -> Option<Time> {
        self.link.next_wakeup()
    }

    /// From now on nothing is lost, doubled or overtaken.
    pub(crate) fn calm_down(&mut self) {
        self.link.set_profile(self.steady);
    }

    pub(crate) fn stats(&self) -> testbed_netem::Stats {
        self.link.stats()
    }
}
