//! The targets and the action from outside, against simulators over real HTTP.

mod app_runner;
mod target_contract;
