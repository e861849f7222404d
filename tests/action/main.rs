//! Stories over the real world: Docker Engine, registry and AWS of `scripts/world`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a story whose stage is missing ends there")]

mod image;
