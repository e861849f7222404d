//! The table of commands, from the usage table that the parser reads.

use super::sections::Sections;
use crate::commands::usage;

/// The table of commands.
pub fn help() -> String {
    let mut text = Sections::headed("Commands");
    text.add("Write one at the beginning of a line of a new comment; edited comments never run.");
    text.add(&usage::table());
    text.add(
        "`access.…` are keys of the environment's `access` in `.github/shipline.yml` on the default branch. Without \
         `--sha` a deployment puts the pull request's head there, as it was when the comment was written.",
    );
    text.finish()
}
