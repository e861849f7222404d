//! The drive loop.
