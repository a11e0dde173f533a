//! Equality: of kinds and contents, and as quick as the two are small, whatever they stand for.

use std::collections::{HashMap, HashSet};

use super::Value;

/// Exact, as each variant has it: no number is equal to one of another variant, and no NaN to anything. Of what is shared,
/// the content counts.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        Comparison::default().same(self, other)
    }
}

/// A comparison that looks at no two shared parts twice: Hopcroft and Karp's, of automata.
///
/// One difference ends it, so whatever was compared, or is being compared, may be taken as equal from then on; and what is
/// equal to the same is equal to each other. So there are at most as many pairs to look at as there are parts.
#[derive(Default)]
struct Comparison {
    /// Whether one of the two stands within something shared: else each pair comes only once.
    is_shared: bool,
    /// For a part one that it is equal to, by their addresses.
    equals: HashMap<usize, usize>,
    /// Parts that were compared with themselves: a NaN in them would make a difference.
    themselves: HashSet<usize>,
}

impl Comparison {
    fn same(&mut self, a: &Value, b: &Value) -> bool {
        match (a, b) {
            (Value::Shared(a), b) | (b, Value::Shared(a)) => {
                let outside = std::mem::replace(&mut self.is_shared, true);
                let same = self.same(a, b);
                self.is_shared = outside;
                same
            }
            (Value::Python(a, inner), Value::Python(b, other)) => a == b && self.same(inner, other),
            (Value::List(a), Value::List(b)) => {
                a.len() == b.len() && (self.is_known(a, b) || a.iter().zip(b).all(|(a, b)| self.same(a, b)))
            }
            (Value::Map(a), Value::Map(b)) => {
                let mut entries = a.iter().zip(b);
                a.len() == b.len()
                    && (self.is_known(a, b) || entries.all(|(a, b)| self.same(&a.0, &b.0) && self.same(&a.1, &b.1)))
            }
            (Value::Nil, Value::Nil) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::UInt(a), Value::UInt(b)) => a == b,
            (Value::F32(a), Value::F32(b)) => a == b,
            (Value::F64(a), Value::F64(b)) => a == b,
            (Value::Text(a), Value::Text(b)) => a.len() == b.len() && self.is_equal(a, b),
            (Value::Bytes(a), Value::Bytes(b)) => a.len() == b.len() && self.is_equal(a, b),
            (Value::Buffer(a), Value::Buffer(b)) => a.len() == b.len() && self.is_equal(a, b),
            (Value::Array(a), Value::Array(b)) => self.is_equal(&**a, &**b),
            #[cfg(feature = "arrow")]
            (Value::Table(a), Value::Table(b)) => self.is_equal(&**a, &**b),
            (Value::Ext(a, payload), Value::Ext(b, other)) => a == b && payload == other,
            _ => false,
        }
    }

    /// What may be long and stand in many places.
    fn is_equal<T: PartialEq>(&mut self, a: &T, b: &T) -> bool {
        self.is_known(a, b) || a == b
    }

    /// Whether these two were compared before; else notes that they are.
    fn is_known<T>(&mut self, a: &T, b: &T) -> bool {
        if !self.is_shared {
            return false;
        }
        let (a, b) = (std::ptr::from_ref(a).addr(), std::ptr::from_ref(b).addr());
        if a == b {
            return !self.themselves.insert(a);
        }
        let (a, b) = (self.first(a), self.first(b));
        if a != b {
            self.equals.insert(a, b);
        }
        a == b
    }

    /// The one that stands for all that are equal to this one.
    fn first(&mut self, mut address: usize) -> usize {
        while let Some(&next) = self.equals.get(&address) {
            // the way is halved for who comes next
            let after = self.equals.get(&next).copied().unwrap_or(next);
            self.equals.insert(address, after);
            address = after;
        }
        address
    }
}
