//! Black-box stories about deploying: real programs and real HTTP, nothing inside is reached.

mod ecs;
