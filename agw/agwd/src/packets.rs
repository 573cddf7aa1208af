//! One phone's packets, for whoever looks at them.

use crate::gateway::Gateway;
use agw_dataplane::{Error, Seen};
use basalt_control_api::gateway::v1 as api;
use basalt_ids::Imsi;
use std::time::Duration;
use tokio::sync::mpsc;
use tonic::Status;

/// How long a watch that has just ended may keep another from beginning.
pub const PATIENCE: Duration = Duration::from_secs(1);
/// Octets of a frame when it is not said: enough for the headers inside of a tunnel.
const HEADERS: u32 = 96;

/// What begins to watch a phone, until the receiver is dropped: not to be called on the loop, which waits for nobody.
///
/// # Errors
/// It has no session; the data plane cannot watch. When it is called: somebody watches already, or the kernel refuses.
#[allow(clippy::result_large_err, reason = "tonic's own kind of error")]
pub fn watch(
    gateway: &mut Gateway,
    imsi: Imsi,
    snap: u32,
) -> Result<impl FnOnce() -> Result<mpsc::Receiver<Seen>, Status> + Send + use<>, Status> {
    let session = gateway.core.sessions().find(|(whose, _)| *whose == imsi).map(|(_, session)| session.address);
    let address = session.ok_or_else(|| Status::not_found(format!("phone {imsi} has no session to watch")))?;
    let snap = if snap == 0 { HEADERS } else { snap };
    let status = |error| match error {
        Error::Watching => Status::resource_exhausted(Error::Watching.to_string()),
        error => Status::failed_precondition(error.to_string()),
    };
    let begin = gateway.dataplane.watch(address, snap).map_err(status)?;
    Ok(move || begin().map_err(status))
}

/// A packet as the control API tells it.
#[must_use]
pub fn show(seen: Seen) -> api::SeenPacket {
    api::SeenPacket {
        unix_nanos: seen.unix_nanos,
        // The numbers are those of the programs.
        point: seen.point as i32,
        interface: seen.interface,
        length: seen.length,
        frame: seen.frame,
        reason: seen.reason.unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::seen_packet::Point as Told;
    use basalt_ebpf_abi::Point;

    #[test]
    fn points_have_the_numbers_of_the_programs() {
        let pairs = [
            (Point::RadioIn, Told::RadioIn),
            (Point::InternetOut, Told::InternetOut),
            (Point::InternetIn, Told::InternetIn),
            (Point::RadioOut, Told::RadioOut),
            (Point::UplinkDropped, Told::UplinkDropped),
            (Point::DownlinkDropped, Told::DownlinkDropped),
            (Point::UplinkPunted, Told::UplinkPunted),
            (Point::DownlinkPunted, Told::DownlinkPunted),
        ];
        for (point, told) in pairs {
            assert_eq!(point as i32, told as i32, "{point:?}");
        }
    }
}
