use std::sync::{Arc, Mutex};

use super::*;
use crate::problem::Problem;

#[expect(clippy::disallowed_methods, reason = "tests run real programs of this machine")]
fn environment() -> Environment {
    [("PATH".to_owned(), std::env::var("PATH").unwrap())].into()
}

fn sh(script: &str) -> Program {
    Program::new("sh", &environment(), "a shell").args(["-c", script])
}

fn silent() -> impl Fn(Stream, &str) + Send + Sync {
    |_: Stream, _: &str| {}
}

fn alive(pid: &str) -> bool {
    // A process that ended but was not collected by its (foreign) parent is a zombie, and harmless.
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

async fn gone(pid: &str) -> bool {
    let wait = crate::engine::wait::Backoff {
        first: Duration::from_millis(10),
        most: Duration::from_millis(50),
        throttled: Duration::from_millis(50),
    };
    let deadline = Some(crate::engine::clock::instant() + Duration::from_secs(5));
    let look =
        async || if alive(pid) { crate::engine::wait::Seen::NotYet } else { crate::engine::wait::Seen::Ready(()) };
    crate::engine::wait::until(deadline, wait, &Cancel::new(), look).await == crate::engine::wait::Waited::Ready(())
}

#[tokio::test]
async fn lines_are_passed_on_as_they_come_and_output_is_kept() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let lines = Arc::clone(&seen);
    let note = move |stream: Stream, text: &str| lines.lock().unwrap().push((stream, text.to_owned()));
    let finished = sh("echo one; echo two >&2; printf three").run(&Cancel::new(), &note).await.unwrap();
    assert_eq!(finished.out, "one\nthree");
    let mut seen = seen.lock().unwrap().clone();
    seen.sort_by(|a, b| a.1.cmp(&b.1));
    assert_eq!(seen, [(Stream::Out, "one".into()), (Stream::Out, "three".into()), (Stream::Err, "two".into())]);
}

#[tokio::test]
async fn a_secret_goes_over_standard_input_and_the_environment_is_only_what_was_given() {
    let finished = sh("cat; env").input("hush".into()).env("GIVEN", "1").run(&Cancel::new(), &silent()).await.unwrap();
    assert!(finished.out.starts_with("hush"), "{}", finished.out);
    assert!(finished.out.contains("GIVEN=1") && !finished.out.contains("HOME="), "{}", finished.out);
}

#[tokio::test]
async fn an_argument_is_never_read_by_a_shell() {
    let echo = Program::new("echo", &environment(), "echo").arg("$(id); `id` && id");
    assert_eq!(echo.run(&Cancel::new(), &silent()).await.unwrap().out, "$(id); `id` && id\n");
}

#[tokio::test]
async fn a_failure_tells_the_code_and_the_last_lines() {
    let error = sh("i=0; while [ $i -lt 99 ]; do echo line $i; i=$((i+1)); done; exit 7")
        .run(&Cancel::new(), &silent())
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "sh ended with exit code 7");
    assert_eq!(error.tail().len(), TAIL_LINES);
    assert_eq!(error.tail().last().unwrap(), "line 98");
}

#[tokio::test]
async fn a_program_that_is_killed_says_by_which_signal() {
    let error = sh("kill -9 $$").run(&Cancel::new(), &silent()).await.unwrap_err();
    assert!(error.to_string().contains("signal 9"), "{error}");
}

#[tokio::test]
async fn a_program_that_is_not_there_says_what_to_install() {
    let absent = Program::new("no-such-program-here", &environment(), "the thing");
    let problem = Problem::from(absent.run(&Cancel::new(), &silent()).await.unwrap_err());
    assert_eq!(problem.code, "program-missing");
    assert!(problem.next.contains("the thing"), "{problem}");
}

#[tokio::test]
async fn time_runs_out_for_the_whole_family() {
    let error = sh("sleep 600 & echo $!; wait")
        .within(Duration::from_millis(300))
        .run(&Cancel::new(), &silent())
        .await
        .unwrap_err();
    assert!(matches!(error, ProcessError::TimedOut { .. }), "{error}");
    assert!(gone(&error.tail()[0]).await);
}

#[tokio::test]
async fn a_cancel_lets_the_program_clean_up_and_then_nothing_of_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("cleaned-up");
    let cancel = Cancel::new();
    let (pid, seen) = tokio::sync::oneshot::channel();
    let pid = Mutex::new(Some(pid));
    let stop = cancel.clone();
    let note = move |_: Stream, text: &str| {
        if let Some(pid) = pid.lock().unwrap().take() {
            pid.send(text.to_owned()).unwrap();
            stop.cancel();
        }
    };
    let program = sh("trap 'echo done > \"$MARKER\"; exit 1' TERM; sleep 600 & echo $!; wait")
        .env("MARKER", marker.to_str().unwrap());
    let error = program.run(&cancel, &note).await.unwrap_err();
    assert!(matches!(error, ProcessError::Cancelled { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(marker).unwrap(), "done\n");
    assert!(gone(&seen.await.unwrap()).await);
}

#[tokio::test]
async fn a_dropped_run_leaves_nothing_running() {
    let (pid, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let note = move |_: Stream, text: &str| pid.send(text.to_owned()).unwrap();
    let program = sh("sleep 600 & echo $!; wait");
    let cancel = Cancel::new();
    let pid = tokio::select! {
        _ = program.run(&cancel, &note) => unreachable!("it sleeps"),
        pid = seen.recv() => pid.unwrap(),
    };
    assert!(gone(&pid).await);
}

#[tokio::test]
async fn a_grandchild_that_keeps_the_pipe_open_does_not_hold_us_up() {
    let started = crate::engine::clock::instant();
    sh("sleep 600 & echo started").run(&Cancel::new(), &silent()).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(5));
}
