use super::*;
use crate::config::spec::{ComposeHost, ComposeSpec, SqliteBackup, Strategy};
use crate::process::Environment;

const GOOD: &str = "compose 2.26.1\ncurl yes\nservice web\nchecked\ndisk 10485760 /var/lib/docker\nmount /data\n\
                    volume own held shop_data\nplatform linux/arm64\n";

fn target() -> ComposeTarget {
    let spec = ComposeSpec {
        project: "shop".to_owned(),
        service: "web".to_owned(),
        file: "compose.yml".into(),
        host: ComposeHost::Local,
        check: None,
        backups: vec![SqliteBackup { path: "/data/app.db".to_owned(), keep: 2 }],
    };
    let name = "web".parse().unwrap();
    ComposeTarget::on_this_machine(&name, &spec, Strategy::Rolling, "/srv".as_ref(), &Environment::default())
}

/// Weight and code of everything that is found in an answer.
fn found(answer: &str) -> Vec<(&'static str, String)> {
    let mut found = Examination::default();
    target().examine_seen(&Answer::read(answer).unwrap(), &mut found);
    found.findings.iter().map(|one| (one.weight.word(), one.problem.code.clone())).collect()
}

#[test]
fn a_host_that_has_everything_is_told_with_its_platform() {
    let mut examined = Examination::default();
    target().examine_seen(&Answer::read(GOOD).unwrap(), &mut examined);
    assert_eq!(examined.findings, Vec::new());
    assert_eq!(examined.platform.as_deref(), Some("linux/arm64"));
    let good = examined.good.join("\n");
    for part in ["reads /srv/compose.yml", "10.0 GiB are free", "volume shop_data is there", "has a health check"] {
        assert!(good.contains(part), "{part} is not in {good}");
    }
}

#[test]
fn each_thing_that_is_wrong_is_found() {
    let cases = [
        (GOOD.replace("disk 10485760", "disk 102400"), ("fails", "disk-full")),
        (GOOD.replace("disk 10485760", "disk 1048576"), ("warns", "disk-low")),
        (GOOD.replace("own held", "external missing"), ("fails", "volume-missing")),
        (GOOD.replace("checked\n", ""), ("warns", "no-health-check")),
        (GOOD.replace("mount /data\n", "mount /database\n"), ("warns", "database-not-in-volume")),
        (format!("{GOOD}database none /data/app.db\n"), ("fails", "backup-not-possible")),
        (format!("{GOOD}login impossible 1.dkr.ecr.us-east-1.amazonaws.com\n"), ("fails", "no-registry-login")),
        (format!("{GOOD}login refused 1.dkr.ecr.us-east-1.amazonaws.com bm8=\n"), ("fails", "registry-login-refused")),
        (format!("{GOOD}login unknown ghcr.io\n"), ("warns", "not-logged-in")),
        (GOOD.replace("compose 2.26.1", "compose 2.3.0"), ("fails", "compose-too-old")),
        (GOOD.replace("service web", "service wbe"), ("fails", "unknown-compose-service")),
        (format!("{GOOD}job 1\nstate running\n"), ("warns", "deployment-in-progress")),
    ];
    for (answer, expected) in cases {
        assert_eq!(found(&answer), [(expected.0, expected.1.to_owned())], "{answer}");
    }
    assert_eq!(found("no-compose bm8=\ndisk 10485760 /\n"), [("fails", "compose-missing".to_owned())]);
    assert_eq!(found("compose 2.26.1\nfile missing\n"), [("fails", "compose-file-missing".to_owned())]);
    assert_eq!(found(&format!("{GOOD}login possible ghcr.io\n")), []);
}
