//! One story for each real system that Shipline carries: first deploy, second deploy, a bad release
//! that goes back by itself with its reason shown, and a rollback by command. The program itself runs,
//! with the configuration of `workflows/systems/`; wherever an emulator can run them the parts are
//! real: Docker Engine, registry, containers that answer, databases. `scripts/world` provides them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a story starts programs, reads its environment, and ends where its stage is missing"
)]

#[path = "../action/answering.rs"]
#[allow(dead_code, reason = "an answering service for stories of more than one kind")]
mod answering;
mod apranova;
mod astro_ai;
mod ava_olo;
mod brainwave;
#[path = "../action/world/database.rs"]
#[allow(dead_code, reason = "a database for stories of more than one kind")]
mod database;
mod fleet;
mod host;
#[path = "../action/world/load.rs"]
mod load;
mod pmis;
mod programs;
mod site;
#[path = "../action/stage.rs"]
#[allow(dead_code, reason = "a stage for stories of more than one kind")]
mod stage;

/// The ready configuration of a system.
fn configuration(system: &str) -> String {
    let file = format!("{}/workflows/systems/{system}/shipline.yml", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(file).unwrap()
}
