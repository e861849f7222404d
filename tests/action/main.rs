//! Stories over the real world: Docker Engine, registry and AWS of `scripts/world`.

mod image;
