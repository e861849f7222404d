use super::*;

fn exited(id: &str, name: &str, code: i32) -> Stopped {
    Stopped {
        id: id.to_owned(),
        code: "EssentialContainerExited".to_owned(),
        reason: "Essential container in task exited".to_owned(),
        containers: vec![
            Container { name: "sidecar".to_owned(), exit: Some(143), ..Container::default() },
            Container { name: name.to_owned(), exit: Some(code), ..Container::default() },
        ],
        lived: Some(4.0),
        ..Stopped::default()
    }
}

fn failed_to_start(reason: &str) -> Stopped {
    Stopped {
        id: "s".to_owned(),
        code: "TaskFailedToStart".to_owned(),
        reason: reason.to_owned(),
        ..Stopped::default()
    }
}

#[test]
fn one_exit_may_be_an_accident_and_the_same_exit_twice_is_not() {
    assert_eq!(hopeless(&[]), None);
    assert_eq!(hopeless(&[exited("a", "app", 1)]), None);
    assert_eq!(hopeless(&[exited("a", "app", 1), exited("b", "app", 2)]), None);
    let verdict = hopeless(&[exited("a", "app", 1), exited("b", "app", 2), exited("c", "app", 1)]).unwrap();
    assert_eq!((verdict.task.id.as_str(), verdict.times), ("a", 2));
}

#[test]
fn what_cannot_be_pulled_or_prepared_is_hopeless_at_first_sight() {
    for (reason, code) in [
        ("CannotPullContainerError: manifest unknown", CauseCode::ImageNotPulled),
        ("ResourceInitializationError: unable to pull secrets or registry auth", CauseCode::ResourcesNotReady),
    ] {
        let verdict = hopeless(&[failed_to_start(reason)]).unwrap();
        assert_eq!(kind(&verdict.task), code);
    }
    assert_eq!(hopeless(&[failed_to_start("Unexpected EC2 error")]), None);
}

#[test]
fn the_container_that_failed_is_named_and_not_the_one_that_was_taken_down_with_it() {
    assert_eq!(culprit(&exited("a", "app", 1)).unwrap().name, "app");
    let mut killed = exited("a", "app", 137);
    killed.containers[1].reason = Some("OutOfMemoryError: Container killed due to memory usage".to_owned());
    assert_eq!(culprit(&killed).unwrap().name, "app");
    assert_eq!(kind(&killed), CauseCode::OutOfMemory);
}

#[test]
fn tasks_that_were_only_scaled_away_or_stopped_by_a_person_are_no_failures() {
    let stop = |code: &str, reason: &str| Stopped {
        code: code.to_owned(),
        reason: reason.to_owned(),
        ..exited("a", "app", 143)
    };
    assert!(!is_failure(&stop("ServiceSchedulerInitiated", "Scaling activity initiated by (deployment ecs-svc/1)")));
    assert!(!is_failure(&stop("UserInitiated", "Task stopped by user")));
    assert!(!is_failure(&stop("SpotInterruption", "Your Spot Task was interrupted.")));
    assert!(is_failure(&stop("ServiceSchedulerInitiated", "Task failed ELB health checks in (target-group arn)")));
    assert!(is_failure(&stop("EssentialContainerExited", "Essential container in task exited")));
}
