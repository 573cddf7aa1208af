//! Names of the timers a UE can have (TS 24.301 §10.2, §10.3; network side).

use serde::{Deserialize, Serialize};

/// A timer of one UE. At most one of each name runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TimerName {
    /// Paging answer.
    T3413,
    /// DETACH REQUEST (network) awaiting accept.
    T3422,
    /// ATTACH ACCEPT, TRACKING AREA UPDATE ACCEPT with new GUTI, or GUTI REALLOCATION COMMAND awaiting complete.
    T3450,
    /// AUTHENTICATION REQUEST or SECURITY MODE COMMAND awaiting answer.
    T3460,
    /// IDENTITY REQUEST awaiting answer.
    T3470,
    /// ACTIVATE DEFAULT EPS BEARER CONTEXT REQUEST awaiting answer.
    T3485,
    /// ACTIVATE DEDICATED EPS BEARER CONTEXT REQUEST (T3485), MODIFY (T3486) or DEACTIVATE EPS BEARER CONTEXT REQUEST (T3495) for a
    /// dedicated bearer awaiting answer: one of them runs at a time.
    DedicatedBearer,
    /// Packets may still come by the bearer that they left when a dedicated bearer was set up or changed.
    BearerSettling,
    /// ESM INFORMATION REQUEST awaiting answer.
    T3489,
    /// DEACTIVATE EPS BEARER CONTEXT REQUEST awaiting answer.
    T3495,
    /// Idle UE: T3412 plus a margin; then implicit detach is prepared (TS 24.301 §5.3.5).
    MobileReachable,
    /// Unreachable UE: at expiry it is detached implicitly.
    ImplicitDetach,
    /// The base station owes an answer to a context or bearer setup.
    RadioSetup,
    /// The subscriber side owes an answer.
    Question,
    /// The whole attach, update or service procedure must end: no half-open UE stays.
    Procedure,
    /// Rules that were refused for want of room are asked for again.
    RuleRetry,
    /// A UE was handed over: its forwarding tunnels end (TS 23.401 §5.5.1.2.2).
    Forwarding,
    /// A page that failed holds further pages back for a while.
    PagingBackoff,
}
