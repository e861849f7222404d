//! Who may answer a gate. Pure.
//!
//! A yes of the person who asked for it is none, unless the policy says so; whoever answers is both
//! one of those the rule names and one of those whom `access.approve` lets.

use sha2::{Digest as _, Sha256};
use shipline::config::spec::{Access, Allow, ApprovalsSpec, EnvironmentSpec, Who};

use super::access::{self, Right, Standing, may, people};
use super::words::name;
use super::{Denied, ReasonCode, Rights};
use crate::store::{Decision, GateKind};
use crate::types::Actor;

/// Everything the decision looks at.
#[derive(Debug, Clone, Copy)]
pub struct Answering<'a> {
    /// Where.
    pub environment: &'a str,
    /// The rule, as of now.
    pub rule: &'a ApprovalsSpec,
    /// Who may what there.
    pub access: &'a Access,
    /// Who asked for what waits.
    pub requester: Option<&'a Actor>,
    /// What is answered.
    pub decision: Decision,
    /// Who answers.
    pub actor: &'a Actor,
    /// What GitHub says that person may do.
    pub rights: &'a Rights,
}

/// The rule that a gate goes by; none when the policy asks nobody (any more).
pub fn rule(kind: GateKind, spec: &EnvironmentSpec) -> Option<ApprovalsSpec> {
    let own = spec.policy.approvals.clone();
    match kind {
        GateKind::Plan | GateKind::Rule => own,
        // A step of a rollout that was let begin needs one more look, not a second round.
        GateKind::Canary => Some(ApprovalsSpec {
            count: 1,
            from: spec.policy.access.approve.clone(),
            requester: own.as_ref().map_or(Allow::No, |rule| rule.requester),
            expires: own.as_ref().map_or(shipline::types::Span::minutes(24 * 60), |rule| rule.expires),
            remind: own.as_ref().map_or(shipline::types::Span::minutes(12 * 60), |rule| rule.remind),
        }),
    }
}

/// Somebody whom the policy names, as a comment calls them.
pub fn mention(who: &Who) -> String {
    match who {
        Who::Team { org, slug } => format!("@{org}/{slug}"),
        Who::User(login) => format!("@{login}"),
        Who::Role(role) => format!("everybody with the role `{}`", format!("{role:?}").to_lowercase()),
    }
}

/// What an approval holds under, beside what is approved. Where a rule stands in the file means nothing.
pub fn held_under(spec: &EnvironmentSpec) -> String {
    let spec = EnvironmentSpec { deferred: Vec::new(), ..spec.clone() };
    hex::encode(Sha256::digest(format!("{spec:?}").as_bytes()))
}

/// Whether the requester may, as a gate keeps it.
pub fn word(requester: Allow) -> &'static str {
    match requester {
        Allow::Yes => "may",
        Allow::No => "may-not",
    }
}

/// Everybody whom the rule and the access name: whose teams must be asked for.
pub fn named(rule: &ApprovalsSpec, access: &Access) -> Vec<Who> {
    rule.from.iter().chain(&access.approve).cloned().collect()
}

/// Whether a person may give this answer.
pub fn allowed(question: &Answering<'_>) -> Result<(), Denied> {
    let Answering { environment, rule, access, requester, decision, actor, rights } = *question;
    match may(&rule.from, rights, actor.id) {
        Standing::SomebodyElse => return Err(access::stranger(actor)),
        Standing::NotAmong => {
            let next = format!("{} can do it: ask one of them.", access::capital(&people(&rule.from)));
            let what = format!("{} may not decide what waits on {}.", name(&actor.login), name(environment));
            return Err(Denied::new(ReasonCode::AccessDenied, what, next)
                .because("`approvals.from` of the policy does not name you, nor a team that GitHub says you are in."));
        }
        Standing::Among => {}
    }
    access::allowed(Right::Approve, environment, access, rights, actor)?;
    let own = requester.is_some_and(|requester| requester.id == actor.id);
    if own && decision == Decision::Approve && rule.requester == Allow::No {
        let what = format!("{} asked for this deployment, so somebody else must approve it.", name(&actor.login));
        let next = format!("{} can do it: ask one of the others.", access::capital(&people(&rule.from)));
        return Err(Denied::new(ReasonCode::OwnRequest, what, next)
            .because("`approvals: { requester: true }` in the policy would let you."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use shipline::config::spec::Role;
    use shipline::types::Span;

    use super::*;
    use crate::types::UserId;

    fn actor(id: u64, login: &str) -> Actor {
        Actor { id: UserId::new(id), login: login.to_owned() }
    }

    fn spec() -> ApprovalsSpec {
        let team = Who::Team { org: "acme".to_owned(), slug: "managers".to_owned() };
        let (expires, remind) = (Span::minutes(60), Span::minutes(30));
        ApprovalsSpec { count: 1, from: vec![team], requester: Allow::No, expires, remind }
    }

    fn answer(
        rule: &ApprovalsSpec,
        access: &Access,
        decision: Decision,
        who: u64,
        teams: &[&str],
    ) -> Option<ReasonCode> {
        let (asker, person) = (actor(1, "asker"), actor(who, "person"));
        let rights = Rights {
            user: UserId::new(who),
            login: "person".to_owned(),
            role: Some(Role::Write),
            teams: teams.iter().map(ToString::to_string).collect(),
        };
        let question = Answering {
            environment: "production",
            rule,
            access,
            requester: Some(&asker),
            decision,
            actor: &person,
            rights: &rights,
        };
        allowed(&question).err().map(|denied| denied.code)
    }

    #[test]
    fn a_member_of_a_named_team_may_answer_and_nobody_else() {
        let (rule, access) = (spec(), Access::default());
        let of = |decision, who, teams: &[&str]| answer(&rule, &access, decision, who, teams);
        assert_eq!(of(Decision::Approve, 2, &["acme/managers"]), None);
        assert_eq!(of(Decision::Reject, 2, &["acme/managers"]), None);
        assert_eq!(of(Decision::Approve, 2, &[]), Some(ReasonCode::AccessDenied));
        assert_eq!(of(Decision::Reject, 2, &["acme/others"]), Some(ReasonCode::AccessDenied));
    }

    #[test]
    fn who_asked_may_say_no_but_yes_only_where_the_policy_lets() {
        let access = Access::default();
        let mut rule = spec();
        assert_eq!(answer(&rule, &access, Decision::Approve, 1, &["acme/managers"]), Some(ReasonCode::OwnRequest));
        assert_eq!(answer(&rule, &access, Decision::Reject, 1, &["acme/managers"]), None);
        rule.requester = Allow::Yes;
        assert_eq!(answer(&rule, &access, Decision::Approve, 1, &["acme/managers"]), None);
    }

    #[test]
    fn access_holds_beside_the_rule() {
        let access = Access { approve: vec![Who::Role(Role::Admin)], ..Access::default() };
        assert_eq!(answer(&spec(), &access, Decision::Approve, 2, &["acme/managers"]), Some(ReasonCode::AccessDenied));
    }

    #[test]
    fn a_login_that_changed_hands_answers_nothing() {
        let rights =
            Rights { user: UserId::new(9), login: "person".to_owned(), role: Some(Role::Admin), teams: Vec::new() };
        let (rule, access, person) = (spec(), Access::default(), actor(2, "person"));
        let question = Answering {
            environment: "production",
            rule: &rule,
            access: &access,
            requester: None,
            decision: Decision::Approve,
            actor: &person,
            rights: &rights,
        };
        assert_eq!(allowed(&question).unwrap_err().code, ReasonCode::AccessDenied);
    }
}
