//! Comments against the parser of commands: it ends, it answers every line it takes for its own, and
//! what it reads is read the same when it is written again. What is put into a fence or a quote is
//! never a command.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shipline_bot::commands::{commands, parse};

fuzz_target!(|body: &str| {
    let found = commands(body);
    assert!(found.len() <= parse::MOST_COMMANDS);
    for (at, (index, parsed)) in found.into_iter().enumerate() {
        assert_eq!(u32::try_from(at), Ok(index));
        match parsed {
            Ok(command) => {
                let written = command.to_string();
                assert_eq!(commands(&written), [(0, Ok(command))], "{written}");
            }
            Err(no) => {
                assert!(!no.what.is_empty() && !no.next.is_empty());
                assert!(
                    no.what.chars().chain(no.next.chars()).all(|c| c.is_ascii_graphic() || " …".contains(c)),
                    "{no:?}"
                );
            }
        }
    }
    if body.len() < 2000 {
        let longest = body.split(|c| c != '~').map(str::len).max().unwrap_or(0).max(2) + 1;
        let fence = "~".repeat(longest);
        assert!(commands(&format!("{fence}\n{body}\n{fence}")).is_empty());
        let quote: String = body.split(['\n', '\r']).flat_map(|line| ["> ", line, "\n"]).collect();
        assert!(commands(&quote).is_empty());
    }
});
