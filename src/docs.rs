//! The long texts: the wire format, what is promised on delivery, and why things are as they are.

#[doc = include_str!("../docs/wire.md")]
pub mod wire {}

#[doc = "[the wire]: wire\n\n"] // the first definition wins over the page's own
#[doc = include_str!("../docs/arrays.md")]
pub mod arrays {}

#[doc = include_str!("../docs/delivery.md")]
pub mod delivery {}

#[doc = "[the wire]: wire\n[delivery]: delivery\n[benchmarks]: benchmarks\n\n"] // the first definition wins over the page's own
#[doc = include_str!("../docs/design.md")]
pub mod design {}

#[doc = "[the wire]: wire\n[the design]: design\n[delivery]: delivery\n[benchmarks]: benchmarks\n\n"] // the first definition wins over the page's own
#[doc = include_str!("../docs/feed.md")]
pub mod feed {}

#[doc = "[the pipeline]: pipeline\n\n"] // the first definition wins over the page's own
#[doc = include_str!("../docs/benchmarks.md")]
pub mod benchmarks {}

#[cfg(feature = "arrow")]
#[doc = "[the wire]: wire\n\n"] // the first definition wins over the page's own
#[doc = include_str!("../docs/tables.md")]
pub mod tables {}

#[doc = "[benchmarks]: benchmarks\n\n"] // the first definition wins over the page's own
#[doc = include_str!("../docs/compression.md")]
pub mod compression {}

#[doc = include_str!("../docs/python.md")]
pub mod python {}

#[doc = include_str!("../python/README.md")]
pub mod python_package {}

#[doc = "[the wire]: wire\n[benchmarks]: benchmarks\n\n"] // the first definition wins over the page's own
#[doc = include_str!("../docs/pipeline.md")]
pub mod pipeline {}
