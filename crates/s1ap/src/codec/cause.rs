//! Causes and diagnostics (TS 36.413 §9.2.1.3, §9.2.1.21).

use super::sequence::{Sequence, write_head};
use super::value::{read_values, write_values};
use super::{Form, Integer, Value, ValueError};
use crate::value::{
    Cause, CriticalityDiagnostics, IeCriticalityDiagnostics, MiscCause, NasCause, ProtocolCause, RadioNetworkCause,
    TransportCause,
};
use oxirush_aper::{Reader, Writer};

impl Value for Cause {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        Ok(match reader.choice(5, 0, true)? {
            0 => Cause::RadioNetwork(RadioNetworkCause::read(reader)?),
            1 => Cause::Transport(TransportCause::read(reader)?),
            2 => Cause::Nas(NasCause::read(reader)?),
            3 => Cause::Protocol(ProtocolCause::read(reader)?),
            _ => Cause::Misc(MiscCause::read(reader)?),
        })
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        let group = match self {
            Cause::RadioNetwork(_) => 0,
            Cause::Transport(_) => 1,
            Cause::Nas(_) => 2,
            Cause::Protocol(_) => 3,
            Cause::Misc(_) => 4,
        };
        writer.index(group, 5, true);
        match self {
            Cause::RadioNetwork(cause) => cause.write(writer),
            Cause::Transport(cause) => cause.write(writer),
            Cause::Nas(cause) => cause.write(writer),
            Cause::Protocol(cause) => cause.write(writer),
            Cause::Misc(cause) => cause.write(writer),
        }
    }
}

impl Value for CriticalityDiagnostics {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        let head = Sequence::read(reader, 5)?;
        let procedure_code = if head.has(4) { Some(Integer::<0, 255>::read(reader)?) } else { None };
        let triggering_message = if head.has(3) { Some(Value::read(reader)?) } else { None };
        let procedure_criticality = if head.has(2) { Some(Value::read(reader)?) } else { None };
        let ies = if head.has(1) { read_values(reader, 1, 256)? } else { Vec::new() };
        head.end(reader)?;
        Ok(CriticalityDiagnostics { procedure_code, triggering_message, procedure_criticality, ies })
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        let present = [
            self.procedure_code.is_some(),
            self.triggering_message.is_some(),
            self.procedure_criticality.is_some(),
            !self.ies.is_empty(),
        ];
        write_head(writer, &present, &[]);
        if let Some(code) = &self.procedure_code {
            Integer::<0, 255>::write(code, writer)?;
        }
        if let Some(message) = &self.triggering_message {
            message.write(writer)?;
        }
        if let Some(criticality) = &self.procedure_criticality {
            criticality.write(writer)?;
        }
        if self.ies.is_empty() { Ok(()) } else { write_values(writer, &self.ies, 1, 256) }
    }
}

impl Value for IeCriticalityDiagnostics {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        let head = Sequence::read(reader, 1)?;
        let criticality = Value::read(reader)?;
        let id = Integer::<0, 65535>::read(reader)?;
        let type_of_error = Value::read(reader)?;
        head.end(reader)?;
        Ok(IeCriticalityDiagnostics { criticality, id, type_of_error })
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), ValueError> {
        write_head(writer, &[], &[]);
        self.criticality.write(writer)?;
        Integer::<0, 65535>::write(&self.id, writer)?;
        self.type_of_error.write(writer)
    }
}
