//! What the serializers of this crate have open: lists, maps, structs and variants, through one trait instead of serde's
//! seven.

use serde::ser::{
    self, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};

/// A list, map or struct that a serializer has open.
pub(crate) trait Container {
    type Error: ser::Error;

    /// The next element of a sequence.
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Self::Error>;

    /// The next field of a struct.
    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Self::Error>;

    /// The next key of a map; its value follows.
    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Self::Error>;

    /// The value of the last key.
    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Self::Error>;

    /// Closes it.
    fn close(self) -> Result<(), Self::Error>;
}

/// A [`Container`] to serde.
pub(crate) struct Open<C>(pub(super) C);

/// Implements a compound state whose elements have no names.
macro_rules! unnamed {
    ($($state:ident . $method:ident),* $(,)?) => { $(
        impl<C: Container> $state for Open<C> {
            type Ok = ();
            type Error = C::Error;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
                self.0.element(value)
            }

            #[inline]
            fn end(self) -> Result<(), C::Error> {
                self.0.close()
            }
        }
    )* };
}
unnamed!(
    SerializeSeq.serialize_element,
    SerializeTuple.serialize_element,
    SerializeTupleStruct.serialize_field,
    SerializeTupleVariant.serialize_field,
);

/// Implements a compound state whose fields have names.
macro_rules! named {
    ($($state:ident),*) => { $(
        impl<C: Container> $state for Open<C> {
            type Ok = ();
            type Error = C::Error;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), C::Error> {
                self.0.field(name, value)
            }

            #[inline]
            fn end(self) -> Result<(), C::Error> {
                self.0.close()
            }
        }
    )* };
}
named!(SerializeStruct, SerializeStructVariant);

impl<C: Container> SerializeMap for Open<C> {
    type Ok = ();
    type Error = C::Error;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), C::Error> {
        self.0.key(key)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
        self.0.value(value)
    }

    #[inline]
    fn end(self) -> Result<(), C::Error> {
        self.0.close()
    }
}
