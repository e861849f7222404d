//! Stories about the action and what it is made of, over real HTTP.

mod credentials;
mod github;
mod probe;
