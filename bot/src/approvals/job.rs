//! Jobs of workflows that wait at an environment, until GitHub was answered.
//!
//! Each look decides by the policy of that moment, as for a deploy by comment: a job is refused, waits
//! for what passes, asks people, or goes on. Nothing is taken from an earlier look but who was asked,
//! and what people said. Invariants: a no is durable before GitHub is told; GitHub is told until it has
//! taken an answer, and takes one; nobody is asked while something else speaks against it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use sha2::{Digest as _, Sha256};
use shipline::config::spec::ApprovalsSpec;
use shipline::engine::{Cancel, clock};
use shipline::problem::Problem;
use shipline::types::Timestamp;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::without_right;
use crate::context::Bot;
use crate::decision::recheck::{self, Judged};
use crate::decision::{Denied, JobFacts, ReasonCode, Verdict, approving};
use crate::github::{Hub, Reviewed, RunStands};
use crate::messages;
use crate::rollouts::until;
use crate::store::{Gate, GateKind, GateName, GateState, NewAudit, StoreFailed};
use crate::types::{Actor, RunId};

/// How often it is looked for gates that are due.
const LOOKS: Duration = Duration::from_secs(2);

/// How many leases one look may take before somebody else tries: a minute, unless they are set.
const HELD: u32 = 4;

/// How long GitHub is tried when it does not tell or take something.
const AGAIN: Duration = Duration::from_secs(15);

/// How often a job is looked at that waits for people and was not woken.
const QUIET: Duration = Duration::from_mins(15);

/// How often a job is looked at that waits for what passes: soon at first, seldom later.
const SOON: Duration = Duration::from_secs(5);
const SELDOM: Duration = Duration::from_mins(5);

/// GitHub shows ten lines of an App beside a job; one is kept for the answer.
const REPORTS: u32 = 9;

/// Looks after the gates of jobs until `stop`.
pub fn start(bot: Arc<Bot>, stop: Cancel) -> JoinHandle<()> {
    tokio::spawn(async move {
        while !stop.is_cancelled() {
            if let Err(error) = due(&bot, &stop).await {
                warn!(%error, "jobs that wait could not be looked at, trying again");
            }
            let _due = tokio::time::timeout(LOOKS, stop.cancelled()).await;
        }
    })
}

async fn due(bot: &Arc<Bot>, stop: &Cancel) -> Result<(), StoreFailed> {
    while !stop.is_cancelled() {
        let now = clock::now();
        let held = until(now, bot.times.lease * HELD);
        let Some(gate) = bot.store.claim_rule_gate(now, held).await? else { return Ok(()) };
        let GateName::Run { run, .. } = gate.asked.name else { continue };
        let id = gate.id;
        let hub = bot.app.hub(&gate.asked.repository);
        let job = JobFacts::of(&gate);
        let mut look = Look { bot, hub, run, gate, job };
        let next = match Box::pin(look.look()).await {
            Ok(next) => next,
            Err(Stopped::Store(failed)) => return Err(failed),
            Err(Stopped::Away(problem)) => {
                warn!(gate = %id, problem = %problem.what, "a job that waits could not be looked at, trying again");
                Some(until(clock::now(), AGAIN))
            }
        };
        bot.store.release_rule_gate(id, held, next, clock::now()).await?;
    }
    Ok(())
}

/// Why a look ended before its end.
enum Stopped {
    Store(StoreFailed),
    /// GitHub did not tell or take something.
    Away(Problem),
}

impl From<StoreFailed> for Stopped {
    fn from(failed: StoreFailed) -> Self {
        Self::Store(failed)
    }
}

impl From<Problem> for Stopped {
    fn from(problem: Problem) -> Self {
        Self::Away(problem)
    }
}

/// One look at a job.
struct Look<'a> {
    bot: &'a Arc<Bot>,
    hub: Hub,
    run: RunId,
    gate: Gate,
    job: JobFacts,
}

impl Look<'_> {
    /// When the next look is due; nothing when there is none.
    async fn look(&mut self) -> Result<Option<Timestamp>, Stopped> {
        match self.gate.state {
            GateState::Waiting | GateState::Approved => {}
            GateState::Void if self.job.refused.is_none() => {
                self.told_at_last().await;
                return Ok(None);
            }
            GateState::Rejected | GateState::Expired | GateState::Void => return self.answer().await,
        }
        if self.gate.asked.expires <= clock::now() {
            return self.time_is_over().await;
        }
        let Some(run) = self.hub.run_of_job(self.run).await? else { return self.gone().await };
        let other = self.job.attempt != 0 && self.job.attempt != run.attempt;
        if run.stands == RunStands::Over || other {
            return self.gone().await;
        }
        let judged = match Box::pin(recheck::job(self.bot, &self.hub, &self.gate, &run)).await? {
            Ok(judged) => judged,
            Err(denied) => return self.refuse(denied, None).await,
        };
        match judged.verdict.clone() {
            Verdict::Refused(denied) => self.refuse(denied, Some(&judged)).await,
            Verdict::Later(denied, then) => self.wait(denied, then, &judged).await,
            Verdict::Open => self.open(&judged).await,
        }
    }

    /// Nothing speaks against it: people decide, if the policy asks any.
    async fn open(&mut self, judged: &Judged) -> Result<Option<Timestamp>, Stopped> {
        let now = clock::now();
        self.job.waits = None;
        let Some(rule) = &judged.rule else { return self.let_through(judged).await };
        if self.job.rules.as_deref() != Some(judged.rules.as_str()) {
            return self.ask(rule, judged).await;
        }
        if self.gate.state == GateState::Approved {
            let gone = without_right(&self.hub, rule, &judged.access, &self.gate).await;
            let gone = gone.map_err(|(_, problem)| problem)?;
            if gone.is_empty() {
                return self.let_through(judged).await;
            }
            let left = self.bot.store.withdraw(self.gate.id, &gone, rule.count, now).await?;
            let Some(left) = left.filter(|left| left.state == GateState::Waiting) else { return Ok(Some(now)) };
            self.gate = left;
        }
        let mut next = self.gate.asked.expires.min(until(now, QUIET));
        if let Some(at) = self.job.remind {
            if at > now {
                next = next.min(at);
            } else {
                self.remind().await?;
                self.job.remind = None;
            }
        }
        let asks = messages::job_asks(&self.gate, &self.job);
        self.report("asks", &asks).await?;
        self.told().await?;
        self.note(None).await?;
        Ok(Some(next))
    }

    /// People are asked, for the first time or under other rules: then what was said counts no more.
    async fn ask(&mut self, rule: &ApprovalsSpec, judged: &Judged) -> Result<Option<Timestamp>, Stopped> {
        let now = clock::now();
        if self.job.rules.is_some() {
            let environment = &self.gate.asked.key.environment;
            let why = format!("The policy of `{environment}` was changed since. What was said before counts no more.");
            let all: Vec<(Actor, String)> = self.gate.approvers().map(|actor| (actor.clone(), why.clone())).collect();
            self.job.again = Some(why);
            // Said with the withdrawal, so that nobody reads that a right is gone.
            self.note(None).await?;
            self.bot.store.withdraw(self.gate.id, &all, rule.count.max(1), now).await?;
        }
        self.job.people = rule.from.iter().map(approving::mention).collect();
        approving::word(rule.requester).clone_into(&mut self.job.requester);
        self.job.rules = Some(judged.rules.clone());
        self.job.remind = Some(until(now, rule.remind.duration()));
        self.gate.asked.need = rule.count;
        self.note(None).await?;
        // The next look begins with what was written down.
        Ok(Some(now))
    }

    /// It is held by what passes; whoever was asked may answer meanwhile.
    async fn wait(
        &mut self,
        denied: Denied,
        then: Option<Timestamp>,
        judged: &Judged,
    ) -> Result<Option<Timestamp>, Stopped> {
        let now = clock::now();
        let code = denied.code.word();
        let since = match &self.job.waits {
            Some((known, since)) if known.code == denied.code => *since,
            _ => {
                info!(gate = %self.gate.id, reason = code, "a job is held by what passes");
                self.bot.metrics.gate(GateKind::Rule.word(), "held");
                self.job.waits = Some((denied.clone(), now));
                let entry = self.decided("held", &denied, Some(judged));
                self.note(Some(&entry)).await?;
                now
            }
        };
        self.report(code, &messages::job_waits(&self.gate, &denied)).await?;
        self.told().await?;
        self.note(None).await?;
        let waited = Duration::try_from(now.duration_since(since)).unwrap_or_default();
        let pause = (waited / 4).clamp(SOON, SELDOM);
        let next = until(now, pause).min(self.gate.asked.expires);
        Ok(Some(then.map_or(next, |then| next.min(until(then, Duration::from_secs(1))))))
    }

    /// Nothing speaks against it and enough people said yes.
    async fn let_through(&mut self, judged: &Judged) -> Result<Option<Timestamp>, Stopped> {
        let what = "Nothing speaks against it.";
        let entry = self.decided("let-through", &Denied::new(ReasonCode::Allowed, what, ""), Some(judged));
        self.job.lets = true;
        self.note(Some(&entry)).await?;
        self.answer().await
    }

    /// It may not: that is written down, then GitHub is told.
    async fn refuse(&mut self, denied: Denied, judged: Option<&Judged>) -> Result<Option<Timestamp>, Stopped> {
        let entry = self.decided("refused", &denied, judged);
        self.job.refused = Some(denied);
        let entry = entry.without_secrets(&self.bot.redactor);
        if !self.bot.store.end_job(self.gate.id, GateState::Void, &self.job.value(), &entry, clock::now()).await? {
            // Somebody said no in that moment.
            return Ok(Some(clock::now()));
        }
        self.bot.metrics.gate(GateKind::Rule.word(), "refused");
        self.gate.state = GateState::Void;
        self.answer().await
    }

    async fn time_is_over(&mut self) -> Result<Option<Timestamp>, Stopped> {
        if let Some((waits, _)) = self.job.waits.clone() {
            let why = "It held the job until the job's time to wait was over.";
            return self.refuse(Denied { next: "Run the job again.".to_owned(), ..waits }.because(why), None).await;
        }
        if self.gate.state == GateState::Approved {
            let what = "Enough people said yes, but whether it still may go on was not known until its time was over.";
            return self.refuse(Denied::new(ReasonCode::GateExpired, what, "Run the job again."), None).await;
        }
        if !self.bot.store.end_gate(self.gate.id, GateState::Expired, clock::now()).await? {
            return Ok(Some(clock::now()));
        }
        self.bot.metrics.gate(GateKind::Rule.word(), "expired");
        self.gate.state = GateState::Expired;
        self.answer().await
    }

    /// The run has ended, or was started again: nobody waits for an answer any more.
    async fn gone(&mut self) -> Result<Option<Timestamp>, Stopped> {
        info!(gate = %self.gate.id, "a job waits no more");
        let why = Denied::new(ReasonCode::GateOver, "The run has ended or was started again.", "");
        let entry = self.decided("gone", &why, None);
        if self.bot.store.end_job(self.gate.id, GateState::Void, &self.job.value(), &entry, clock::now()).await? {
            self.gate.state = GateState::Void;
            self.told_at_last().await;
        }
        Ok(None)
    }

    /// Tells GitHub, until it has taken it.
    async fn answer(&mut self) -> Result<Option<Timestamp>, Stopped> {
        let passes = matches!(self.gate.state, GateState::Waiting | GateState::Approved);
        let review = if passes { Reviewed::Approved } else { Reviewed::Rejected };
        let why = messages::job_answer(&self.gate, &self.job);
        let taken = self.hub.review_rule(self.run, &self.gate.asked.key.environment, review, &why).await?;
        let word = match (taken, self.job.lets) {
            (true, _) => review.word(),
            // A yes that GitHub has taken and did not say so before this process died.
            (false, true) => "approved-before",
            (false, false) => "not-taken",
        };
        let mut entry = self.entry("answered", "approval.answered", word);
        if passes {
            // Where the policy asks nobody, its own yes ends the gate.
            self.gate.state = GateState::Approved;
        }
        entry.details["state"] = json!(self.gate.state.word());
        let (id, facts, now) = (self.gate.id, self.job.value(), clock::now());
        if !passes || !self.bot.store.end_job(id, GateState::Approved, &facts, &entry, now).await? {
            self.bot.store.audit(&entry, now).await?;
        }
        info!(gate = %id, answer = word, "a job that waited was answered");
        self.bot.metrics.gate(GateKind::Rule.word(), if taken { "told" } else { "not-taken" });
        self.told_at_last().await;
        Ok(None)
    }

    /// Calls people once more: where the commit is talked about, and beside the job.
    async fn remind(&mut self) -> Result<(), Stopped> {
        if let Some(issue) = self.gate.asked.issue {
            let marker = messages::reminder_marker(self.gate.id);
            if self.hub.find_comment(issue, &marker, self.gate.opened).await?.is_none() {
                let text = messages::job_reminder(&self.gate, &self.job, &self.bot.server_url);
                self.hub.comment(issue, &text).await?;
            }
        }
        let text = format!("Still: {}", messages::job_asks(&self.gate, &self.job));
        self.report("reminds", &text).await?;
        self.bot.metrics.gate(GateKind::Rule.word(), "reminded");
        Ok(())
    }

    /// What GitHub shows beside the job, each thing once.
    async fn report(&mut self, key: &str, text: &str) -> Result<(), Stopped> {
        let (known, count) = self.job.reported.clone().unwrap_or_default();
        // A reminder says what the question said.
        if known == key || (known == "reminds" && key == "asks") || count >= REPORTS {
            return Ok(());
        }
        self.hub.report_rule(self.run, &self.gate.asked.key.environment, text).await?;
        self.job.reported = Some((key.to_owned(), count + 1));
        // Written down at once: whatever fails after it must not say it again.
        Ok(self.note(None).await?)
    }

    /// Keeps the comment about the job current, where there is a conversation.
    async fn told(&mut self) -> Result<(), Stopped> {
        let Some(issue) = self.gate.asked.issue else { return Ok(()) };
        let text = messages::job(&self.gate, &self.job, &self.bot.server_url);
        let hash = hex::encode(Sha256::digest(text.as_bytes()));
        if self.job.told.as_ref() == Some(&hash) {
            return Ok(());
        }
        match self.hub.find_comment(issue, &messages::job_marker(self.gate.id), self.gate.opened).await? {
            Some(comment) => self.hub.edit(comment, &text).await.map(|_| ())?,
            None => self.hub.comment(issue, &text).await.map(|_| ())?,
        }
        self.job.told = Some(hash);
        Ok(())
    }

    /// The last word of the comment. GitHub has its answer: nothing is repeated for a comment's sake.
    async fn told_at_last(&mut self) {
        if let Err(Stopped::Away(problem)) = self.told().await {
            warn!(gate = %self.gate.id, problem = %problem.what, "how a job was answered was not told");
        }
    }

    async fn note(&self, audit: Option<&NewAudit>) -> Result<(), StoreFailed> {
        let audit = audit.map(|entry| entry.clone().without_secrets(&self.bot.redactor));
        let (id, need) = (self.gate.id, self.gate.asked.need);
        self.bot.store.note_job(id, need, &self.job.value(), audit.as_ref(), clock::now()).await
    }

    /// What the audit chain says of a decision.
    fn decided(&self, what: &str, denied: &Denied, judged: Option<&Judged>) -> NewAudit {
        let mut entry = self.entry(&format!("{what}/{}", denied.code.word()), "job", denied.code.word());
        entry.details["decision"] = json!(what);
        entry.details["what"] = json!(denied.what);
        entry.details["why"] = json!(denied.why);
        entry.details["policy_commit"] = json!(judged.map(|judged| judged.policy_commit));
        entry
    }

    fn entry(&self, key: &str, action: &str, outcome: &str) -> NewAudit {
        let asked = &self.gate.asked;
        NewAudit {
            key: format!("gate/{}/{key}", self.gate.id),
            repository: Some(asked.repository.id),
            repository_name: Some(asked.repository.name.to_string()),
            environment: Some(asked.key.environment.to_string()),
            actor: if action == "job" { asked.requester.clone() } else { None },
            action: action.to_owned(),
            outcome: outcome.to_owned(),
            details: json!({
                "schema_version": 1, "gate": self.gate.id, "run": self.run, "commit": asked.commit,
            }),
        }
    }
}
