//! Programs of a story: the real `shipline`, Docker, git; with nothing of the test's environment but
//! what the world gives.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

/// What a program left.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) took: Duration,
}

impl Ran {
    #[track_caller]
    pub(crate) fn must(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}", self.said());
        self
    }

    #[track_caller]
    pub(crate) fn says(&self, text: &str) -> &Self {
        assert!(self.said().contains(text), "{text:?} is not said:\n{}", self.said());
        self
    }

    pub(crate) fn said(&self) -> String {
        format!("{}\n{}", self.out, self.err)
    }

    pub(crate) fn document(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.said()))
    }
}

fn ran(command: &mut Command) -> Ran {
    let began = Instant::now();
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: text(&output.stdout),
        err: text(&output.stderr),
        took: began.elapsed(),
    }
}

/// `shipline` in a folder, with the variables of the world and these.
pub(crate) fn shipline(folder: &Path, arguments: &[&str], more: &[(&str, &str)]) -> Ran {
    let world = std::env::vars().filter(|(name, _)| name == "PATH" || name == "HOME" || name.starts_with("AWS_"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_shipline"));
    command.args(arguments).current_dir(folder).env_clear().envs(world).envs(more.iter().copied());
    ran(&mut command)
}

/// Docker's client; its output when it ends well.
pub(crate) fn docker(arguments: &[&str]) -> Result<String, String> {
    let done = ran(Command::new("docker").args(arguments));
    if done.code == 0 { Ok(done.out.trim().to_owned()) } else { Err(done.err) }
}

/// Any program, which must succeed.
pub(crate) fn run(folder: &Path, program: &str, arguments: &[&str]) -> String {
    let done = ran(Command::new(program).args(arguments).current_dir(folder)).must(0);
    done.out.trim().to_owned()
}
