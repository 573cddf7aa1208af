//! Attacks on a running gateway, each with the rule by which it fails: the rows of the trust table that concern user
//! packets and tunnels (`G..`), and Diameter peers of a federation gateway (`D..`).
//!
//! Every attack on the gateway is played in a network of its own by a phone and a base station that have turned hostile, while a canary
//! phone pings. What the gateway let pass is told by witnesses on its links, and why the rest was dropped by the gateway's
//! own metrics, so that nothing is dropped for a reason that another day does not hold. `Arena::close` says
//! what every attack must leave as it was. `Siege` is the same for a federation gateway.

mod arena;
mod craft;
mod diameter;
mod load;
mod packets;
mod siege;
mod tunnels;
mod witness;

use anyhow::{Context, Result};

use arena::{Arena, Wants};
use siege::Siege;

/// An attack.
#[derive(Debug)]
pub struct Attack {
    /// Row of the trust table, such as `G05`.
    pub id: &'static str,
    /// What is tried, and what becomes of it.
    pub title: &'static str,
    play: Play,
}

/// Against whom it is played, and how.
#[derive(Debug)]
enum Play {
    /// A gateway with base stations and phones.
    Gateway(Wants, fn(&Arena) -> Result<()>),
    /// A federation gateway with Diameter peers.
    Federation(siege::Act),
}

/// All attacks, in order of their rows.
pub static ALL: [Attack; 25] = [
    attack("G01", "a phone sends from addresses that are not its own", packets::spoofed_sources),
    attack("G02", "a phone sends to other phones", packets::phone_to_phone),
    attack("G03", "a phone sends to the core, and to addresses that are nobody's", packets::phone_to_core),
    attack("G04", "a phone sends tunnels inside its tunnel", packets::tunnel_in_tunnel),
    attack("G05", "a phone speaks the protocols of the core", packets::core_protocols),
    attack("G06", "a base station guesses tunnels", tunnels::guessing),
    attack("G07", "reserved tunnels, versions and message types", tunnels::reserved),
    attack("G08", "extension headers of no length, in loops, beyond the packet", tunnels::extension_headers),
    attack("G09", "inner packets that lie about version and length", packets::lies),
    attack("G10", "a base station sends in the tunnel of another", tunnels::wrong_peer),
    attack("G11", "forged Error Indications and End Markers", tunnels::forged_control),
    attack("G12", "floods of Echo Requests, and answers larger than requests", tunnels::echo_flood),
    attack("G13", "fragments: tiny, hiding ports, never completed", packets::fragments),
    attack("G14", "source routes, record routes and the like", packets::routing_options),
    attack("G15", "a phone as DHCP server and router", packets::rogue_servers),
    attack("G16", "the internet scans idle phones and unused addresses", load::scan),
    attack("G17", "traffic for a phone that left reaches the next one", load::reused_address),
    Attack {
        play: Play::Gateway(Wants { settings: &[], downlink: Some(load::LIMIT) }, load::rate_evasion),
        ..attack("G18", "many flows and small packets against a rate limit", load::rate_evasion)
    },
    diameter("D01", "strangers, and peers under others' names", |siege| Box::pin(diameter::strangers(siege))),
    diameter("D02", "lengths that lie, in headers and attributes", |siege| Box::pin(diameter::lengths(siege))),
    diameter("D03", "groups a thousand deep, and a hundred thousand attributes", |siege| {
        Box::pin(diameter::bulk(siege))
    }),
    diameter("D04", "another operator gives orders about a phone", |siege| Box::pin(diameter::orders(siege))),
    diameter("D05", "answers to what was not asked, of others, too late", |siege| Box::pin(diameter::answers(siege))),
    diameter("D07", "floods from a gateway and from a peer", |siege| Box::pin(diameter::floods(siege))),
    diameter("D08", "wrong realms, wrong hosts, loops", |siege| Box::pin(diameter::ways(siege))),
];

const fn attack(id: &'static str, title: &'static str, act: fn(&Arena) -> Result<()>) -> Attack {
    Attack { id, title, play: Play::Gateway(Wants { settings: &[], downlink: None }, act) }
}

const fn diameter(id: &'static str, title: &'static str, act: siege::Act) -> Attack {
    Attack { id, title, play: Play::Federation(act) }
}

impl Attack {
    /// Plays the attack in a lab of this name; with `unprivileged`, without root.
    ///
    /// # Errors
    /// The attack got somewhere, or the network could not be made.
    pub fn run(&self, lab: &str, unprivileged: bool) -> Result<()> {
        match self.play {
            Play::Gateway(wants, act) => {
                let arena = Arena::open(lab, unprivileged, wants).context("before the attack")?;
                act(&arena)?;
                arena.close().context("after the attack")
            }
            Play::Federation(act) => Siege::play(lab, act),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_row_once_and_in_order() {
        let gateway = (1..=18).map(|number| format!("G{number:02}"));
        // D06 is about credit control, which nothing here speaks.
        let diameter = [1, 2, 3, 4, 5, 7, 8].map(|number| format!("D{number:02}"));
        let expected: Vec<String> = gateway.chain(diameter).collect();
        assert_eq!(ALL.iter().map(|attack| attack.id).collect::<Vec<_>>(), expected);
    }
}
