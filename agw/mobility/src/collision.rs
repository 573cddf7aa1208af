//! What happens when a procedure starts while another runs: every pair in one table.
//!
//! Rows are what runs for a UE, columns what arrives. A UE's message counts as arriving only once the UE is trusted: verified
//! with the stored context, or proven by authentication on its own connection. Until then it meets nothing of the known UE
//! (TS 24.301 §4.4.4.3), so no row is about it.
//!
//! "Same" and "other" attach and update requests differ in their information elements. A request over a new connection is
//! always "other": what was sent over the old one cannot be resent there.

/// What runs for a UE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Running {
    /// Nothing: registered and at rest, or detached.
    Nothing,
    /// Identification, authentication or security mode control of a registered UE.
    Common,
    /// Attach, ATTACH ACCEPT not sent.
    Attach,
    /// Attach, ATTACH COMPLETE outstanding.
    AttachAccepted,
    /// Tracking area update, TRACKING AREA UPDATE ACCEPT not sent.
    Update,
    /// Tracking area update, TRACKING AREA UPDATE COMPLETE outstanding.
    UpdateAccepted,
    /// Service request, the base station's context outstanding.
    Service,
    /// GUTI reallocation.
    Reallocation,
    /// Paging.
    Paging,
    /// Detach by the network, the UE shall not return.
    Detach,
    /// Detach by the network, the UE shall attach again.
    DetachToReattach,
}

/// What arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arriving {
    /// ATTACH REQUEST with the elements of the running attach, over the same connection.
    SameAttach,
    /// Any other ATTACH REQUEST.
    Attach,
    /// TRACKING AREA UPDATE REQUEST with the elements of the running update, over the same connection.
    SameUpdate,
    /// Any other TRACKING AREA UPDATE REQUEST.
    Update,
    /// SERVICE REQUEST or EXTENDED SERVICE REQUEST.
    Service,
    /// DETACH REQUEST from the UE.
    DetachByUe,
    /// The network wants to detach the UE.
    DetachByNetwork,
    /// Downlink packets or an operator call for the UE.
    Call,
    /// The network wants to authenticate the UE anew.
    Renewal,
}

/// What comes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// What runs is aborted, what arrives goes on.
    Progress,
    /// What runs goes on, what arrives is dropped.
    Continue,
    /// What runs goes on: its last message is sent again, its retransmission count stays.
    Resend,
    /// What runs counts as completed, then what arrives goes on.
    Complete,
}

/// Everything that can run.
pub const RUNNING: [Running; 11] = [
    Running::Nothing,
    Running::Common,
    Running::Attach,
    Running::AttachAccepted,
    Running::Update,
    Running::UpdateAccepted,
    Running::Service,
    Running::Reallocation,
    Running::Paging,
    Running::Detach,
    Running::DetachToReattach,
];

/// Everything that can arrive.
pub const ARRIVING: [Arriving; 9] = [
    Arriving::SameAttach,
    Arriving::Attach,
    Arriving::SameUpdate,
    Arriving::Update,
    Arriving::Service,
    Arriving::DetachByUe,
    Arriving::DetachByNetwork,
    Arriving::Call,
    Arriving::Renewal,
];

/// The table.
#[must_use]
pub const fn resolve(running: Running, arriving: Arriving) -> Resolution {
    use Arriving as A;
    use Resolution::{Complete, Continue, Progress, Resend};
    use Running as R;
    match (running, arriving) {
        // Nothing in the way. §5.5.1.2.7 f: an attach of a registered UE deletes its contexts and goes on.
        (R::Nothing, _) => Progress,

        // §5.4.3.7 c (security mode), §5.4.4.6 c, e (identification), §5.4.2.7 (authentication): the UE's own procedure goes
        // first; after it the network may begin again.
        (R::Common, A::SameAttach | A::Attach | A::SameUpdate | A::Update | A::Service | A::DetachByUe) => Progress,
        (R::Common, A::DetachByNetwork) => Progress,
        (R::Common, A::Call | A::Renewal) => Continue,

        // §5.5.1.2.7 e: before ACCEPT or REJECT, the same request is ignored and another one starts anew.
        (R::Attach, A::SameAttach) => Continue,
        (R::Attach, A::Attach) => Progress,
        // A UE that is not registered neither updates nor asks for service (§5.1.3.2.2).
        (R::Attach, A::SameUpdate | A::Update | A::Service) => Continue,
        // §5.5.1.2.7 h: detach before ATTACH COMPLETE aborts the attach.
        (R::Attach, A::DetachByUe | A::DetachByNetwork) => Progress,
        (R::Attach, A::Call | A::Renewal) => Continue,

        // §5.5.1.2.7 d: after ACCEPT, the same request gets the accept again and another one starts anew.
        (R::AttachAccepted, A::SameAttach) => Resend,
        (R::AttachAccepted, A::Attach) => Progress,
        // §5.5.1.2.7 g: the UE took the accept in, its COMPLETE was lost. SERVICE REQUEST says the same.
        (R::AttachAccepted, A::SameUpdate | A::Update | A::Service) => Complete,
        (R::AttachAccepted, A::DetachByUe | A::DetachByNetwork) => Progress,
        (R::AttachAccepted, A::Call | A::Renewal) => Continue,

        // §5.5.3.2.7 e: before ACCEPT or REJECT.
        (R::Update, A::SameUpdate) => Continue,
        (R::Update, A::Update) => Progress,
        (R::Update, A::SameAttach | A::Attach | A::Service | A::DetachByUe | A::DetachByNetwork) => Progress,
        (R::Update, A::Call | A::Renewal) => Continue,

        // §5.5.3.2.7 d: after ACCEPT.
        (R::UpdateAccepted, A::SameUpdate) => Resend,
        (R::UpdateAccepted, A::Update) => Progress,
        // The UE took the accept in and asks for bearers already; both GUTIs stay valid (§5.5.3.2.7 c).
        (R::UpdateAccepted, A::Service) => Complete,
        (R::UpdateAccepted, A::SameAttach | A::Attach | A::DetachByUe | A::DetachByNetwork) => Progress,
        (R::UpdateAccepted, A::Call | A::Renewal) => Continue,

        // §5.6.1.7 c (more than one SERVICE REQUEST), d (attach), e (update).
        (R::Service, A::Service | A::SameAttach | A::Attach | A::SameUpdate | A::Update) => Progress,
        (R::Service, A::DetachByUe | A::DetachByNetwork) => Progress,
        (R::Service, A::Call | A::Renewal) => Continue,

        // §5.4.1.6 c to f: the UE's own procedure aborts the reallocation; both GUTIs stay valid.
        (R::Reallocation, A::SameAttach | A::Attach | A::SameUpdate | A::Update | A::Service | A::DetachByUe) => {
            Progress
        }
        (R::Reallocation, A::DetachByNetwork) => Progress,
        (R::Reallocation, A::Call | A::Renewal) => Continue,

        // §5.6.2.2.1: whatever trusted message the UE sends answers the page.
        (R::Paging, A::SameAttach | A::Attach | A::SameUpdate | A::Update | A::Service | A::DetachByUe) => Progress,
        (R::Paging, A::DetachByNetwork) => Progress,
        (R::Paging, A::Call | A::Renewal) => Continue,

        // §5.5.2.3.5 c: both sides detach at once, and both procedures are over.
        (R::Detach | R::DetachToReattach, A::DetachByUe) => Complete,
        // §5.5.2.3.5 d: an attach waits for the end of a detach, unless that asks for it.
        (R::Detach, A::SameAttach | A::Attach) => Continue,
        (R::DetachToReattach, A::SameAttach | A::Attach) => Progress,
        // §5.5.2.3.5 e, f: the detach goes on, towards wherever the UE is now.
        (R::Detach | R::DetachToReattach, A::SameUpdate | A::Update | A::Service) => Resend,
        (R::Detach | R::DetachToReattach, A::DetachByNetwork | A::Call | A::Renewal) => Continue,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole table as text, so that a change of it is seen as a change.
    #[test]
    fn the_table_reads_so() {
        let letter = |resolution| match resolution {
            Resolution::Progress => 'P',
            Resolution::Continue => '-',
            Resolution::Resend => 'R',
            Resolution::Complete => 'C',
        };
        let table: Vec<String> = RUNNING
            .iter()
            .map(|running| {
                let row: String = ARRIVING.iter().map(|arriving| letter(resolve(*running, *arriving))).collect();
                format!("{running:?} {row}")
            })
            .collect();
        // SameAttach, Attach, SameUpdate, Update, Service, DetachByUe, DetachByNetwork, Call, Renewal
        let expected = [
            "Nothing PPPPPPPPP",
            "Common PPPPPPP--",
            "Attach -P---PP--",
            "AttachAccepted RPCCCPP--",
            "Update PP-PPPP--",
            "UpdateAccepted PPRPCPP--",
            "Service PPPPPPP--",
            "Reallocation PPPPPPP--",
            "Paging PPPPPPP--",
            "Detach --RRRC---",
            "DetachToReattach PPRRRC---",
        ];
        assert_eq!(table, expected);
    }

    #[test]
    fn a_detach_of_the_phone_is_never_dropped() {
        for running in RUNNING {
            assert_ne!(resolve(running, Arriving::DetachByUe), Resolution::Continue, "{running:?}");
        }
    }
}
