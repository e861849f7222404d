//! `.github/shipline.yml`: read, checked as a whole, and turned into a [`spec::Config`].
//!
//! Two stages: the raw form mirrors the file, the check returns *all* problems with line, path and
//! fix. Nothing else in the program reads configuration text.

pub mod spec;
