//! Targets and tunnels of a handover (TS 36.413 §9.2.1.6, §9.2.1.31, §9.1.5.2, §9.1.5.5).

use super::sequence::{Sequence, write_extensions, write_head};
use super::{Item, Value, ValueError};
use crate::value::{
    ErabAdmitted, ErabForwarding, ForwardingTunnels, StatusTransfer, TargetEnb, TargetId, TransportAddress,
};
use basalt_ids::{Ebi, GlobalEnbId, Tai, Teid};
use oxirush_aper::{Reader, Writer};
use oxirush_s1ap::s1ap::ENBStatusTransferTransparentContainer;

/// TargetID, a CHOICE whose fourth alternative is an addition. Only the first one is read into.
impl Value for TargetId {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        let whole = reader.rest().to_vec();
        match reader.choice(3, 1, true)? {
            0 => TargetEnb::read(reader).map(TargetId::Enb),
            _ => {
                reader.align();
                reader.octets(reader.remaining() / 8)?;
                Ok(TargetId::Other(whole))
            }
        }
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        match self {
            TargetId::Enb(target) => {
                writer.index(0, 3, true);
                target.write(writer)
            }
            TargetId::Other(whole) => {
                writer.octets(whole);
                Ok(())
            }
        }
    }
}

impl Value for TargetEnb {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        let head = Sequence::read(reader, 1)?;
        Ok(TargetEnb {
            global_enb_id: GlobalEnbId::read(reader)?,
            selected_tai: Tai::read(reader)?,
            extensions: head.end(reader)?,
        })
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        write_head(writer, &[], &self.extensions);
        self.global_enb_id.write(writer)?;
        self.selected_tai.write(writer)?;
        write_extensions(writer, &self.extensions)
    }
}

impl ForwardingTunnels {
    /// Reads the members whose presence `head` says, the last of them before the extension IEs.
    fn read(reader: &mut Reader<'_>, head: &Sequence) -> Result<Self, ValueError> {
        let mut tunnels = ForwardingTunnels::default();
        if head.has(4) {
            tunnels.downlink_address = Some(TransportAddress::read(reader)?);
        }
        if head.has(3) {
            tunnels.downlink_teid = Some(Teid::read(reader)?);
        }
        if head.has(2) {
            tunnels.uplink_address = Some(TransportAddress::read(reader)?);
        }
        if head.has(1) {
            tunnels.uplink_teid = Some(Teid::read(reader)?);
        }
        Ok(tunnels)
    }

    fn present(&self) -> [bool; 4] {
        [
            self.downlink_address.is_some(),
            self.downlink_teid.is_some(),
            self.uplink_address.is_some(),
            self.uplink_teid.is_some(),
        ]
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        for (address, teid) in
            [(&self.downlink_address, &self.downlink_teid), (&self.uplink_address, &self.uplink_teid)]
        {
            if let Some(address) = address {
                address.write(writer)?;
            }
            if let Some(teid) = teid {
                teid.write(writer)?;
            }
        }
        Ok(())
    }
}

impl Item for ErabAdmitted {
    fn read_item(reader: &mut Reader<'_>, _item: u16) -> Result<Self, ValueError> {
        let head = Sequence::read(reader, 5)?;
        Ok(ErabAdmitted {
            ebi: Ebi::read(reader)?,
            address: TransportAddress::read(reader)?,
            teid: Teid::read(reader)?,
            forwarding: ForwardingTunnels::read(reader, &head)?,
            extensions: head.end(reader)?,
        })
    }

    fn write_item(&self, writer: &mut Writer<'_>, _item: u16) -> Result<(), ValueError> {
        write_head(writer, &self.forwarding.present(), &self.extensions);
        self.ebi.write(writer)?;
        self.address.write(writer)?;
        self.teid.write(writer)?;
        self.forwarding.write(writer)?;
        write_extensions(writer, &self.extensions)
    }
}

impl Item for ErabForwarding {
    fn read_item(reader: &mut Reader<'_>, _item: u16) -> Result<Self, ValueError> {
        let head = Sequence::read(reader, 5)?;
        Ok(ErabForwarding {
            ebi: Ebi::read(reader)?,
            forwarding: ForwardingTunnels::read(reader, &head)?,
            extensions: head.end(reader)?,
        })
    }

    fn write_item(&self, writer: &mut Writer<'_>, _item: u16) -> Result<(), ValueError> {
        write_head(writer, &self.forwarding.present(), &self.extensions);
        self.ebi.write(writer)?;
        self.forwarding.write(writer)?;
        write_extensions(writer, &self.extensions)
    }
}

impl Value for StatusTransfer {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        let whole = reader.octets(reader.remaining() / 8)?;
        // The codec's own type judges it: what is passed on can be read by whoever gets it.
        oxirush_aper::decode::<ENBStatusTransferTransparentContainer<'_>>(whole)?;
        Ok(StatusTransfer(whole.to_vec()))
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        writer.octets(&self.0);
        Ok(())
    }
}
