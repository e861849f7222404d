//! `shipline init`: a configuration from what already runs.

pub mod from_app_runner;
