//! What refuses a job and what it waits for.

use super::*;
use crate::decision::job::{Verdict, judge};

fn denied(code: ReasonCode) -> Denied {
    Denied::new(code, "what", "Mend it, then comment again.")
}

fn verdict(rules: &str, codes: &[ReasonCode], hours: i64) -> Verdict {
    let text = POLICY.replace("  production:\n", &format!("  production:\n{rules}"));
    let config = shipline::config::parse("shipline.yml", &text).unwrap();
    let production = "production".parse().unwrap();
    let objections = codes.iter().map(|code| denied(*code)).collect();
    let now = at(NOW);
    let until = at(NOW) + jiff::SignedDuration::from_hours(hours);
    judge(objections, &production, &config.environments[&production], &[], until, now)
}

#[test]
fn a_job_waits_for_what_passes_and_is_refused_by_what_a_person_must_change() {
    assert_eq!(verdict("", &[], 24), Verdict::Open);
    for code in [
        ReasonCode::Soaking,
        ReasonCode::ChecksPending,
        ReasonCode::ChecksMissing,
        ReasonCode::ChecksUnknown,
        ReasonCode::ForeignDeployment,
    ] {
        assert!(matches!(verdict("", &[code], 24), Verdict::Later(denied, None) if denied.code == code));
    }
    for code in ReasonCode::ALL {
        let passes = matches!(verdict("", &[*code], 24), Verdict::Later(..));
        let known = [
            ReasonCode::Soaking,
            ReasonCode::ChecksPending,
            ReasonCode::ChecksMissing,
            ReasonCode::ChecksUnknown,
            ReasonCode::ForeignDeployment,
            ReasonCode::Busy,
        ];
        assert_eq!(passes, known.contains(code), "{}", code.word());
    }
    let mixed = verdict("", &[ReasonCode::ChecksPending, ReasonCode::Locked], 24);
    let Verdict::Refused(first) = mixed else { panic!("{mixed:?}") };
    assert_eq!((first.code, first.next.as_str()), (ReasonCode::Locked, "Mend it, then run the job again."));
    assert!(matches!(verdict("    queue: refuse\n", &[ReasonCode::Busy], 24), Verdict::Refused(_)));
}

#[test]
fn a_freeze_is_waited_for_only_if_it_ends_while_the_job_may_wait() {
    // 2026-03-03 is a Tuesday.
    let rules = "    freeze: [{ from: Tue 10:00, to: Wed 06:00, zone: UTC }]\n";
    let waits = verdict(rules, &[ReasonCode::Frozen], 24);
    let Verdict::Later(_, Some(end)) = waits else { panic!("{waits:?}") };
    assert_eq!(end, at("2026-03-04T06:00:00Z"));
    assert!(matches!(verdict(rules, &[ReasonCode::Frozen], 12), Verdict::Refused(_)));
    // What else stands against it is told first, and what refuses wins.
    let pending = verdict(rules, &[ReasonCode::ChecksPending, ReasonCode::Frozen], 24);
    assert!(matches!(pending, Verdict::Later(first, None) if first.code == ReasonCode::ChecksPending));
}
