//! `testbed attach`.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use testbed_ue::{AttachKind, DetachKind, EmmState, Event, Input, Profile, Ue};

use super::options::{Found, GatewayArgs, PhoneArgs};
use crate::lab;
use crate::load::{self, LoadPlan, Traffic};
use crate::network::Network;
use crate::radio::subscriber::Subscriber;
use crate::radio::{Io, Radio, Told};
use crate::stop;

/// `testbed attach …`
#[derive(Debug, Args)]
pub struct AttachArgs {
    #[command(flatten)]
    gateway: GatewayArgs,
    #[command(flatten)]
    phones: PhoneArgs,
    /// Phones.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    ues: u32,
    /// Number of the first subscriber.
    #[arg(long, default_value_t = 1)]
    first: u32,
    /// Seconds without traffic after which the base station lets a phone go idle; 0 never.
    #[arg(long, default_value_t = 10)]
    inactivity: u64,
    /// Keep the phones inside this process: no namespace, no TUN device.
    #[arg(long)]
    no_tun: bool,
    /// End after so many seconds instead of at Ctrl-C.
    #[arg(long, value_name = "SECONDS", value_parser = super::options::seconds)]
    duration: Option<Duration>,
}

pub(super) fn run(args: &AttachArgs) -> Result<ExitCode> {
    let plan = LoadPlan {
        enbs: 1,
        first_enb: args.gateway.first_enb.saturating_sub(1),
        ues: args.ues,
        first: args.first,
        rate: 0.0,
        at_once: 1,
        hold: None,
        rounds: 1,
        traffic: Traffic::None,
        plmn: args.gateway.plmn,
        home: args.gateway.home(),
        tac: args.gateway.tac(),
        profile: args.phones.profile(),
        patience: Duration::from_secs(20),
        enb_address: args.gateway.enb_address,
    };
    let found = args.gateway.find(args.first, args.ues)?;
    let result = stay(args, &plan, &found);
    found.network.map_or(Ok(()), Network::end)?;
    result
}

fn stay(args: &AttachArgs, plan: &LoadPlan, found: &Found) -> Result<ExitCode> {
    let radio = Radio::start(&found.radio)?;
    load::bring_up_enbs(&radio, plan)?;
    tell!("base station in service, SCTP over {}", radio.call(|io| io.carrier(0).unwrap_or("?"))?);
    // From here on it ends in its own order.
    let stop = stop::requests()?;
    let lab = found.lab.as_ref().filter(|_| !args.no_tun);
    for number in 0..args.ues {
        let ns = lab.map(|lab| lab.phone(args.first + number)).transpose()?;
        let subscriber = Subscriber::new(plan.home, args.first + number)?;
        add(&radio, &plan.profile, &subscriber, ns)?;
    }
    let result = watch(&radio, args, &stop);
    leave(&radio, args.ues)?;
    if let Some(lab) = lab {
        for number in 0..args.ues {
            lab.remove_phone(args.first + number)?;
        }
    }
    result
}

fn add(radio: &Radio, profile: &Arc<Profile>, subscriber: &Subscriber, ns: Option<lab::NetNs>) -> Result<()> {
    let ue = Ue::new(profile.clone(), subscriber.usim(), subscriber.imeisv);
    radio.call(move |io| {
        io.record = true;
        let phone = io.add_phone(ue, 0);
        if let Some(ns) = ns {
            io.give_tun(phone, ns);
        }
        io.phone(phone, Input::Attach(AttachKind::Usual));
    })
}

/// Prints what happens until the end.
fn watch(radio: &Radio, args: &AttachArgs, stop: &Receiver<()>) -> Result<ExitCode> {
    let end = args.duration.map(|duration| std::time::Instant::now() + duration);
    let idle_after = Duration::from_secs(args.inactivity);
    loop {
        let told = radio.call(|io| std::mem::take(&mut io.told))?;
        for (at, told) in told {
            if let Some(line) = describe(args, &told) {
                tell!("{:>9.3} s  {line}", at.as_micros() as f64 / 1e6);
            }
        }
        if !idle_after.is_zero() {
            radio.call(move |io| io.release_silent(idle_after))?;
        }
        let over = end.is_some_and(|end| std::time::Instant::now() >= end);
        if over || stop.recv_timeout(Duration::from_millis(20)).is_ok() {
            let registered = move |io: &Io, number: usize| {
                io.site.record(number).is_some_and(|record| record.ue.state() == EmmState::Registered)
            };
            let ues = args.ues as usize;
            let all = radio.call(move |io| (0..ues).all(|number| registered(io, number)))?;
            return Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
    }
}

fn describe(args: &AttachArgs, told: &Told) -> Option<String> {
    let phone = |number: &usize| format!("ue{}", args.first as usize + number);
    let text = match told {
        Told::Phone(number, event) => {
            let name = phone(number);
            match event {
                Event::AttachStarted => format!("{name} asks to attach"),
                Event::Challenged(_) => return None,
                Event::Attached { .. } => format!("{name} is attached"),
                Event::AttachRejected(cause) => format!("{name} is refused: {cause}"),
                Event::AttachFailed(why) => format!("{name} cannot attach: {why}"),
                Event::Secured(algorithms) => {
                    let names = format!("{:?} and {:?}", algorithms.ciphering, algorithms.integrity).to_uppercase();
                    format!("{name} is secured by {}", names.replace("AND", "and"))
                }
                Event::SessionUp(session) => {
                    let address = session.address.map_or_else(|| "no address".to_owned(), |a| a.to_string());
                    let dns: Vec<String> = session.dns.iter().map(ToString::to_string).collect();
                    let mtu = session.mtu.map_or_else(String::new, |mtu| format!(", MTU {mtu}"));
                    format!("{name} has {address}, DNS {}{mtu}", dns.join(" "))
                }
                Event::SessionDown(ebi) => format!("{name} lost bearer {}", ebi.value()),
                Event::BearersUp => format!("{name} is connected"),
                Event::Idle => format!("{name} is idle"),
                Event::Paged => format!("{name} is paged"),
                Event::NewGuti(Some(guti)) => format!("{name} is known as {guti}"),
                Event::NetworkName(Some(network)) => format!("{name} shows {network:?}"),
                other => format!("{name}: {other:?}"),
            }
        }
        Told::Enb(_, testbed_ran::Event::ContextReady(_)) => return None,
        Told::Enb(number, event) => format!("base station {}: {event:?}", number + 1),
        Told::Refused(number) => format!("{} gets no radio connection", phone(number)),
    };
    Some(text)
}

/// Detaches all phones and waits for it, for a moment.
fn leave(radio: &Radio, ues: u32) -> Result<()> {
    radio.call(move |io| {
        for number in 0..ues as usize {
            io.phone(number, Input::Detach(DetachKind::SwitchOff));
        }
    })?;
    let gone = move |io: &mut Io| {
        let off = |number: usize| io.site.record(number).is_none_or(|record| !record.ue.is_connected());
        (0..ues as usize).all(off).then_some(())
    };
    radio.wait(Duration::from_secs(2), gone)?;
    Ok(())
}
