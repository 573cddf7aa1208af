//! The table form that messages are written in: one line per IE with its identifier, criticality and presence.

/// Defines messages: `Name = Kind procedure criticality "ASN.1 name" { IEs in the order of the standard }`.
///
/// An IE is `id criticality presence field: Type`, where the presence is
/// - `required`: mandatory with criticality reject, a `Type`;
/// - `mandatory`: mandatory with criticality ignore, an `Option<Type>` that senders fill in;
/// - `optional`: an `Option<Type>`;
/// - `(required id criticality)`, `(mandatory id criticality)`, `(optional id criticality)`: a list of single containers of that
///   IE, a `Vec<Type>`; only the first may not be empty.
macro_rules! messages {
    ($(
        $(#[$doc:meta])*
        $name:ident = $kind:ident $code:literal $criticality:ident $asn1:literal {
            $($(#[$fdoc:meta])* $id:literal $ie_criticality:ident $presence:tt $field:ident: $type:ty $(as $form:ty)?,)*
        }
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub struct $name {
            $($(#[$fdoc])* pub $field: $crate::message::table::field_type!($presence $type),)*
            /// IEs that have no field, known to the standard or not.
            pub other_ies: Vec<$crate::message::OtherIe>,
            /// Criticalities that the sender gave its IEs in place of those of the standard; empty in what we send.
            pub received_criticalities: Vec<$crate::message::ReceivedCriticality>,
        }

        impl $name {
            /// Code of its procedure.
            pub const PROCEDURE_CODE: u8 = $code;
            /// Which message of the procedure it is.
            pub const KIND: $crate::value::TriggeringMessage = $crate::value::TriggeringMessage::$kind;
            /// Name that the standard's ASN.1 gives it.
            pub const NAME: &'static str = $asn1;
            /// Criticality of its procedure.
            pub const CRITICALITY: $crate::value::Criticality = $crate::message::table::criticality!($criticality);

            $crate::message::table::constructor!($name [] [] $($presence $field: $type,)*);

            /// The UE association ids that the message has outside of lists.
            #[must_use]
            #[allow(unused_mut, reason = "not every message has ids")]
            pub fn ue_ids(&self) -> $crate::value::UeIds {
                let mut ids = $crate::value::UeIds::default();
                $($crate::message::table::note_id!(ids $field $presence self.$field);)*
                ids
            }
        }

        impl $crate::codec::Message for $name {
            fn read(ies: &mut $crate::codec::Ies<'_>) -> Option<Self> {
                $(let mut $field: Option<$crate::message::table::held_type!($presence $type)> = None;)*
                while let Some(ie) = ies.next() {
                    match ie.id {
                        $($id => $crate::message::table::read_ie!(ies ie $ie_criticality $field $presence $type $(as $form)?),)*
                        _ => ies.other(ie),
                    }
                }
                $($crate::message::table::settle!(ies $id $ie_criticality $presence $field);)*
                Some(Self { $($field,)* other_ies: ies.take_other(), received_criticalities: ies.take_criticalities() })
            }

            fn count(&self) -> usize {
                0 $(+ $crate::message::table::count!($presence self.$field))*
            }

            fn write(&self, out: &mut $crate::codec::IeWriter<'_, '_>) -> Result<(), $crate::codec::EncodeError> {
                $($crate::message::table::write_ie!(
                    out $id $ie_criticality $presence self.$field, $type $(as $form)?
                );)*
                Ok(())
            }
        }
    )*};
}
pub(super) use messages;

/// The Rust type of a field.
macro_rules! field_type {
    (required $type:ty) => { $type };
    (mandatory $type:ty) => { Option<$type> };
    (optional $type:ty) => { Option<$type> };
    (($presence:ident $id:literal $criticality:ident) $type:ty) => { Vec<$type> };
}
pub(super) use field_type;

/// `new`, which takes the mandatory IEs.
macro_rules! constructor {
    ($name:ident [$($param:ident: $ptype:ty,)*] [$($init:ident: $value:expr,)*]) => {
        /// The message with its mandatory IEs, and no other.
        #[must_use]
        #[allow(clippy::too_many_arguments, clippy::new_without_default, reason = "as many as the standard makes mandatory")]
        pub const fn new($($param: $ptype),*) -> Self {
            Self { $($init: $value,)* other_ies: Vec::new(), received_criticalities: Vec::new() }
        }
    };
    ($name:ident [$($params:tt)*] [$($inits:tt)*] required $field:ident: $type:ty, $($rest:tt)*) => {
        $crate::message::table::constructor!($name [$($params)* $field: $type,] [$($inits)* $field: $field,] $($rest)*);
    };
    ($name:ident [$($params:tt)*] [$($inits:tt)*] mandatory $field:ident: $type:ty, $($rest:tt)*) => {
        $crate::message::table::constructor!($name [$($params)* $field: $type,] [$($inits)* $field: Some($field),] $($rest)*);
    };
    ($name:ident [$($params:tt)*] [$($inits:tt)*] optional $field:ident: $type:ty, $($rest:tt)*) => {
        $crate::message::table::constructor!($name [$($params)*] [$($inits)* $field: None,] $($rest)*);
    };
    ($name:ident [$($params:tt)*] [$($inits:tt)*] (optional $id:literal $criticality:ident) $field:ident: $type:ty, $($rest:tt)*) => {
        $crate::message::table::constructor!($name [$($params)*] [$($inits)* $field: Vec::new(),] $($rest)*);
    };
    ($name:ident [$($params:tt)*] [$($inits:tt)*] ($presence:ident $id:literal $criticality:ident) $field:ident: $type:ty, $($rest:tt)*) => {
        $crate::message::table::constructor!($name [$($params)* $field: Vec<$type>,] [$($inits)* $field: $field,] $($rest)*);
    };
}
pub(super) use constructor;

/// Notes a UE association id, for the fields that hold one.
macro_rules! note_id {
    ($ids:ident mme_ue_id required $value:expr) => {
        $ids.mme = Some($value)
    };
    ($ids:ident source_mme_ue_id required $value:expr) => {
        $ids.mme = Some($value)
    };
    ($ids:ident mme_ue_id $presence:ident $value:expr) => {
        $ids.mme = $value
    };
    ($ids:ident enb_ue_id required $value:expr) => {
        $ids.enb = Some($value)
    };
    ($ids:ident enb_ue_id $presence:ident $value:expr) => {
        $ids.enb = $value
    };
    ($ids:ident ue_s1ap_ids required $value:expr) => {
        let $crate::value::UeIds { mme, enb } = $value.into();
        ($ids.mme, $ids.enb) = (mme, enb);
    };
    ($ids:ident $field:ident $presence:tt $value:expr) => {};
}
pub(super) use note_id;

/// A criticality.
macro_rules! criticality {
    (reject) => {
        $crate::value::Criticality::Reject
    };
    (ignore) => {
        $crate::value::Criticality::Ignore
    };
}
pub(super) use criticality;

/// What a field holds when its IE is there.
macro_rules! held_type {
    (($presence:ident $item:literal $criticality:ident) $type:ty) => { Vec<$type> };
    ($presence:ident $type:ty) => { $type };
}
pub(super) use held_type;

/// How a field is encoded.
macro_rules! form {
    () => {
        $crate::codec::Plain
    };
    ($form:ty) => {
        $form
    };
}
pub(super) use form;

/// Reads the IE of a field.
macro_rules! read_ie {
    ($ies:ident $ie:ident $assigned:ident $field:ident ($presence:ident $item:literal $criticality:ident) $type:ty) => {
        $ies.list($ie, $crate::message::table::criticality!($assigned), $item, &mut $field)
    };
    ($ies:ident $ie:ident $assigned:ident $field:ident $presence:ident $type:ty $(as $form:ty)?) => {
        $ies.value::<$type, $crate::message::table::form!($($form)?)>(
            $ie,
            $crate::message::table::criticality!($assigned),
            &mut $field,
        )
    };
}
pub(super) use read_ie;

/// Makes a field of what was read, when all IEs are read.
macro_rules! settle {
    ($ies:ident $id:literal $criticality:ident required $field:ident) => {
        let $field = $ies.required($id, $crate::message::table::criticality!($criticality), $field)?;
    };
    ($ies:ident $id:literal $criticality:ident (required $item:literal $item_criticality:ident) $field:ident) => {
        $crate::message::table::settle!($ies $id $criticality required $field);
    };
    ($ies:ident $id:literal $criticality:ident ($presence:ident $item:literal $item_criticality:ident) $field:ident) => {
        let $field = $field.unwrap_or_default();
    };
    ($ies:ident $id:literal $criticality:ident $presence:ident $field:ident) => {};
}
pub(super) use settle;

/// How many IEs a field makes: 0 or 1.
macro_rules! count {
    (required $value:expr) => {
        1
    };
    ((required $item:literal $criticality:ident) $value:expr) => {
        1
    };
    (($presence:ident $item:literal $criticality:ident) $value:expr) => {
        usize::from(!$value.is_empty())
    };
    ($presence:ident $value:expr) => {
        usize::from($value.is_some())
    };
}
pub(super) use count;

/// Writes the IE of a field.
macro_rules! write_ie {
    ($out:ident $id:literal $criticality:ident (required $item:literal $item_criticality:ident) $value:expr, $type:ty) => {
        $crate::message::table::write_ie!(@list $out $id $criticality true $item $item_criticality $value)
    };
    ($out:ident $id:literal $criticality:ident ($presence:ident $item:literal $item_criticality:ident) $value:expr, $type:ty) => {
        $crate::message::table::write_ie!(@list $out $id $criticality false $item $item_criticality $value)
    };
    (@list $out:ident $id:literal $criticality:ident $required:literal $item:literal $item_criticality:ident $value:expr) => {
        $out.list(
            $id,
            $crate::message::table::criticality!($criticality),
            $required,
            &$value,
            ($item, $crate::message::table::criticality!($item_criticality)),
        )?
    };
    ($out:ident $id:literal $criticality:ident required $value:expr, $type:ty $(as $form:ty)?) => {
        $crate::message::table::write_ie!(@value $out $id $criticality Some(&$value), $type $(as $form)?)
    };
    ($out:ident $id:literal $criticality:ident $presence:ident $value:expr, $type:ty $(as $form:ty)?) => {
        $crate::message::table::write_ie!(@value $out $id $criticality $value.as_ref(), $type $(as $form)?)
    };
    (@value $out:ident $id:literal $criticality:ident $value:expr, $type:ty $(as $form:ty)?) => {
        $out.value::<$type, $crate::message::table::form!($($form)?)>(
            $id,
            $crate::message::table::criticality!($criticality),
            $value,
        )?
    };
}
pub(super) use write_ie;
