use serde_json::json;

use super::*;

fn read(lines: &[&str]) -> Cause {
    let service = Service::of(json!({"HealthCheckConfiguration": {"Protocol": "TCP"}})).unwrap();
    let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    let mut cause = Cause::new(CauseCode::ProviderGaveUp, "it failed", "Look at the log.");
    cause.revision = Some("web@sha256:012345678901".to_owned());
    read_events(&lines, &service, &mut cause);
    cause
}

#[test]
fn app_runners_own_words_become_a_cause() {
    for (line, code) in [
        ("[AppRunner] Health check failed on protocol `TCP` [Port: '8080'].", CauseCode::ContainerUnhealthy),
        (
            "[AppRunner] Failed to pull your application image. Be sure you configure your service with a valid access role to your ECR repository.",
            CauseCode::ImageNotPulled,
        ),
        ("[AppRunner] Failed to copy the image from ECR. Reason: ECR image doesn't exist.", CauseCode::ImageNotPulled),
        (
            "[AppRunner] Failed to retrieve the secret arn:aws:secretsmanager:us-east-1:111122223333:secret:x",
            CauseCode::ResourcesNotReady,
        ),
        (
            "[AppRunner] Your application stopped or failed to start. See logs for more information. Container exit code: 3",
            CauseCode::ContainerExited,
        ),
        ("[AppRunner] Deployment with ID : 1 started. Triggering event : SERVICE_UPDATE", CauseCode::ProviderGaveUp),
        ("[AppRunner] Successfully pulled your application image from ECR.", CauseCode::ProviderGaveUp),
    ] {
        let cause = read(&[line]);
        assert_eq!(cause.code, code, "{line}");
        assert!(!cause.next.is_empty());
    }
}

#[test]
fn the_stated_reason_goes_before_what_happened_on_the_way_and_the_exit_code_is_kept() {
    let cause = read(&[
        "[AppRunner] Container exit code: 137",
        "[AppRunner] Deployment with ID : 1 failed. Failure reason : Health check failed on protocol `TCP`.",
    ]);
    assert_eq!(cause.code, CauseCode::ContainerUnhealthy);
    assert_eq!(cause.provider_says.as_deref(), Some("Health check failed on protocol `TCP`."));
    assert_eq!(cause.exit.as_ref().unwrap().code, 137);
    assert!(cause.summary.ends_with("its container exited with code 137"), "{}", cause.summary);
}

#[test]
fn the_last_six_events_are_facts() {
    let lines: Vec<String> = (0..9).map(|n| format!("[AppRunner] step {n}")).collect();
    let cause = read(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(cause.facts.len(), 6);
    assert_eq!(cause.facts[5], "App Runner: step 8");
}
