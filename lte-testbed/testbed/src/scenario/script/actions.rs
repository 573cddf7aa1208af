//! What base stations, phones, the gateway and a home network can do.

use std::time::Duration;

use basalt_ids::{Apn, Tac};
use testbed_ue::{AkaFault, Misdeed, Uplink};

use super::Phones;

/// What a base station can do.
#[derive(Clone, Debug, PartialEq)]
pub enum EnbAction {
    /// Associates.
    Connects,
    /// Ends its association in order.
    Disconnects,
    /// Ends its association by ABORT and associates again.
    Aborts,
    /// Resets the whole interface.
    Resets,
    /// Resets the connections of phones.
    ResetsPhones(Phones),
    /// Tells the gateway another area.
    UpdatesArea(Tac),
    /// Sends an S1AP message as it is.
    Sends(Vec<u8>, Option<usize>),
    /// Sends octets to the gateway's GTP-U port.
    SendsGtpu(Vec<u8>),
    /// Refuses contexts.
    RefusesContexts,
    /// Ignores contexts.
    IgnoresContexts,
    /// Its S1AP messages leave so late.
    SignalsLate(Duration),
    /// Does not answer releases.
    IgnoresReleases,
    /// Refuses phones that are to be handed over to it.
    RefusesHandovers,
    /// Does not answer when phones are to be handed over to it.
    IgnoresHandovers,
    /// Passes no pages on.
    IgnoresPages,
    /// Cannot deliver downlink NAS messages, and says so.
    CannotDeliver,
    /// Loses downlink NAS messages without a word.
    LosesDownlink,
    /// Sends random octets as S1AP messages.
    Babbles(u32, u64),
    /// Does everything right again.
    Behaves,
}

/// What a phone can do.
#[derive(Clone, Debug, PartialEq)]
pub enum PhoneAction {
    /// Attaches as usual.
    Attaches,
    /// Attaches with its IMSI.
    AttachesByImsi,
    /// Detaches and waits for the answer.
    Detaches,
    /// Detaches and is off.
    SwitchesOff,
    /// Its battery is taken out.
    LosesPower,
    /// Its base station lets it go idle.
    GoesIdle,
    /// Its base station loses it.
    LosesRadio,
    /// Has data to send: pings the server so many times.
    Pings(u32),
    /// Pings the server over IPv6 so many times.
    Pings6(u32),
    /// Updates its area; with bearers if `true`.
    Updates(bool),
    /// Goes to another base station.
    MovesTo(usize),
    /// Is handed over to another base station by the gateway.
    IsHandedOver(HandedOver),
    /// Is not handed over after all: its base station cancels.
    Stays,
    /// Asks for another connection.
    ConnectsTo(Apn),
    /// Ends the connection of that bearer.
    DisconnectsBearer(u8),
    /// Forgets its keys.
    ForgetsKeys,
    /// Takes a temporary identity that nobody gave it.
    InventsGuti,
    /// Its card has seen later sequence numbers than the gateway will use.
    IsAheadInSequence,
    /// Its card does something wrong with the next challenges.
    Card(AkaFault, u32),
    /// Does something wrong at a message.
    Misbehaves(Uplink, Misdeed, u32),
    /// Does everything right again.
    Behaves,
}

/// Where a phone is handed over to by the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandedOver {
    /// Which base station.
    pub to: usize,
    /// The two reach each other; otherwise the gateway forwards what is left.
    pub direct: bool,
}

/// What can happen to the gateway.
#[derive(Clone, Debug, PartialEq)]
pub enum GatewayAction {
    /// Killed as by a crash.
    Killed,
    /// Starts (again).
    Starts,
    /// Ends for a restart (SIGTERM).
    Stops,
    /// The operator detaches a phone; to attach again if `true`.
    Detaches(usize, bool),
    /// The operator pages a phone.
    Pages(usize),
    /// The operator suspends a subscriber, or lets it go on.
    Suspends(usize, bool),
    /// The operator deletes a subscriber.
    Deletes(usize),
    /// The operator bounds what a phone may use: octets of a `session`, or of a `month`.
    Bounds(usize, u64, &'static str),
    /// The operator slows a phone to a rate (bit/s) when it has used so many octets in a month.
    Slows(usize, u64, u64),
    /// The operator gives a phone octets more.
    TopsUp(usize, u64),
    /// The operator gives a phone a rule: its name, and what `basalt rule set` takes besides.
    SetsRule(usize, Vec<String>),
    /// The operator takes a rule from a phone.
    RemovesRule(usize, String),
    /// The operator resets a base station.
    ResetsEnb(usize),
}

/// What can happen to a home network and to the federation gateway before it.
#[derive(Clone, Debug, PartialEq)]
pub enum HomeAction {
    /// Its HSS is told how to behave, in the HSS's words.
    Behaves(String),
    /// Its HSS orders something about a phone: the order's first word, the phone, the rest.
    Orders(String, usize, String),
    /// Its HSS cancels where a phone is, which nobody has: that is as good as done.
    CancelsInVain(usize),
    /// Its HSS has lost its memory.
    Resets,
    /// Its HSS is killed.
    Dies,
    /// Its HSS is there again.
    Returns,
    /// The federation gateway is killed.
    GatewayDies,
    /// The federation gateway is there again.
    GatewayReturns,
}
