//! Requests that are sent all the time, by the demo's own program.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;
use serde_json::Value;

/// Requests being sent.
pub(crate) struct Load(Option<Child>);

impl Load {
    /// Begins to send requests to a URL.
    #[expect(clippy::disallowed_methods, reason = "the demo's own program is used")]
    pub(crate) fn start(python: &str, url: &str, options: &[&str]) -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/demo-app/load.py");
        let child = Command::new(python)
            .arg(program)
            .arg(url)
            .args(options)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self(Some(child))
    }

    /// Ends them and answers what became of them.
    pub(crate) fn end(mut self) -> Value {
        let child = self.0.take().unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::TERM).unwrap();
        serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
