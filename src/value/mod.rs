//! Values without a schema: what a message holds, for who does not know its type.
