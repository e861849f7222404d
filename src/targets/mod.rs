//! Where services run: one module a platform, each an implementation of [`crate::engine::Target`].

pub mod app_runner;
pub mod compose;
pub mod ecs;
