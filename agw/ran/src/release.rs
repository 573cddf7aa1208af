//! UE Context Release (TS 36.413 §8.3.2, §8.3.3).
//!
//! ```text
//!   eNB                                   MME
//!    │ UE CONTEXT RELEASE REQUEST          │
//!    ├────────────────────────────────────►│  ─► ReleaseRequested
//!    │          UE CONTEXT RELEASE COMMAND │
//!    │◄────────────────────────────────────┤  ◄─ Release: mobility forgets the connection now
//!    │ UE CONTEXT RELEASE COMPLETE         │
//!    ├────────────────────────────────────►│  the ids are free; they are so after a guard time in any case
//! ```

use crate::cause::{from_s1ap, to_s1ap};
use crate::connection::Context;
use crate::{Cx, Guard, Ran};
use agw_types::{Metric, Outcome, Procedure, RadioCause, RadioEventKind, RadioId};
use basalt_ids::MmeUeS1apId;
use basalt_s1ap::{UeContextReleaseCommand, UeContextReleaseRequest, UeS1apIds};

impl Ran {
    /// UE CONTEXT RELEASE REQUEST.
    pub(crate) fn release_requested(&mut self, radio: RadioId, message: &UeContextReleaseRequest, cx: &mut Cx<'_>) {
        let Some(connection) = self.active(radio) else { return };
        if connection.context == Context::Arriving {
            self.target_gave_up(radio, message.cause, cx);
            return;
        }
        if connection.ue.is_none() {
            // Nobody decides for it any more.
            self.release(radio, from_s1ap(message.cause), cx);
            return;
        }
        cx.event(radio, connection.ue, RadioEventKind::ReleaseRequested { cause: from_s1ap(message.cause) });
    }

    /// UE CONTEXT RELEASE COMMAND.
    pub(crate) fn release(&mut self, radio: RadioId, cause: RadioCause, cx: &mut Cx<'_>) {
        let Some(connection) = self.active(radio) else { return };
        connection.context = Context::Releasing;
        connection.ue = None;
        self.arrivals.remove(&radio);
        self.send_release(radio, cause, cx);
    }

    pub(crate) fn send_release(&mut self, radio: RadioId, cause: RadioCause, cx: &mut Cx<'_>) {
        let Some(connection) = self.connections.get(radio.0) else { return };
        let mme = MmeUeS1apId(radio.0.0);
        let ids = if connection.nameless { UeS1apIds::Mme(mme) } else { UeS1apIds::Pair(mme, connection.enb_id) };
        let (link, stream) = (connection.link, connection.stream);
        self.guards.arm(Guard::Release(radio), cx.now.mono + cx.config.timers.radio);
        cx.send(link, stream, UeContextReleaseCommand::new(ids, to_s1ap(cause)));
    }

    /// UE CONTEXT RELEASE COMPLETE.
    pub(crate) fn release_complete(&mut self, radio: RadioId, cx: &mut Cx<'_>) {
        if self.active(radio).is_some() {
            // Nobody asked; the UE's connection is not lost by such a message alone.
            cx.count(Metric::Unexpected("UEContextReleaseComplete"));
            return;
        }
        self.end_connection(radio, RadioCause::NormalRelease, cx);
        cx.count(Metric::Procedure { procedure: Procedure::ContextRelease, outcome: Outcome::Success });
    }

    /// No UE CONTEXT RELEASE COMPLETE in time.
    pub(crate) fn release_expired(&mut self, radio: RadioId, cx: &mut Cx<'_>) {
        self.end_connection(radio, RadioCause::NormalRelease, cx);
        cx.count(Metric::Procedure { procedure: Procedure::ContextRelease, outcome: Outcome::Timeout });
    }
}
