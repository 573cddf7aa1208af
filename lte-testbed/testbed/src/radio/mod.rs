//! Base stations and phones with sockets, clocks and packets: a site's radio in one thread.

pub mod app;
mod handle;
mod io;
pub mod ipv6;
pub mod packet;
mod site;
pub mod subscriber;
pub mod tun;

pub use handle::{Radio, RadioOptions, Shared};
pub use io::{Damage, GtpuSeen, Io, Plane, Traffic};
pub use site::{AttachStats, PhoneRecord, Site, SiteEffect, Told};
