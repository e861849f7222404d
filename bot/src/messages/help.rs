//! The table of commands, from the usage table that the parser reads.

/// The table of commands.
#[expect(clippy::unimplemented, reason = "the shape; filled in with the usage table")]
pub fn help() -> String {
    unimplemented!()
}
