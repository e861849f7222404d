//! A comment from the inbox: parsed, reacted to, decided, answered, written into the audit chain.
//!
//! The order of the first moments is what people see and what GitHub counts: a comment without a
//! command costs nothing; a command costs the reaction, one question about repository and pull request
//! and one about the person, all in the same moment. The text is that of the delivery: what the
//! comment says after an edit never runs.
//!
//! Worked on again after a failure or a crash, it looks for its own answers before it writes any, and
//! every verb looks before it acts.

use std::sync::Arc;

use serde_json::json;
use shipline::config::spec::Role;
use shipline::engine::clock;
use shipline::problem::{Problem, ProblemKind};
use shipline::types::EnvironmentName;
use tracing::{Instrument as _, info, warn};

use super::ask::{Answer, Ask, Halted, visibility};
use super::desk::Patience;
use super::{Command, NotACommand, NotACommandCode, Parsed};
use super::{cancel, deploy, gates, help, history, lock, plan, rollback, status, steer, unlock};
use crate::context::Bot;
use crate::decision::access::{self, Visibility};
use crate::decision::{Denied, ReasonCode, Rights, Situation};
use crate::github::{Hub, Reaction};
use crate::handlers::HandlerFailed;
use crate::messages::{self, answer_marker};
use crate::store::{Claimed, Decision, NewAudit, Steer};
use crate::webhook::NewComment;

/// So often GitHub may fail to tell who somebody is or what the policy says before that is the answer.
const TRIES: u32 = 3;

/// Parses a comment and runs its commands, one after another.
pub async fn on_comment(bot: &Arc<Bot>, claimed: &Claimed, comment: &NewComment) -> Result<(), HandlerFailed> {
    let commands = super::commands(&comment.body);
    if commands.is_empty() {
        return Ok(());
    }
    let hub = bot.app.hub(&comment.repository);
    let visit = Visit { bot, hub: &hub, claimed, comment };
    // A comment that is tried again was counted when it came.
    if claimed.attempts == 0 {
        match bot.desk.patience(comment.repository.id, comment.author.id, commands.len()) {
            Patience::Enough => {}
            Patience::SayNo => return visit.too_many(commands.len()).await,
            Patience::Silent => return Ok(()),
        }
    }
    if commands.iter().all(|(_, parsed)| is_near_miss(parsed)) {
        return visit.near_misses(&commands).await;
    }
    let span = tracing::info_span!("comment", comment = %comment.comment, actor = %comment.author.id);
    visit.work(&commands).instrument(span).await
}

/// A word that is no verb of ours: perhaps a typing error, perhaps another bot's command.
fn is_near_miss(parsed: &Parsed) -> bool {
    matches!(parsed, Err(NotACommand { code: NotACommandCode::UnknownVerb, .. }))
}

fn can_write(rights: &Rights, comment: &NewComment) -> bool {
    rights.user == comment.author.id && rights.role.is_some_and(|role| role >= Role::Write)
}

/// One comment, with where it stands.
struct Visit<'a> {
    bot: &'a Arc<Bot>,
    hub: &'a Hub,
    claimed: &'a Claimed,
    comment: &'a NewComment,
}

impl Visit<'_> {
    async fn work(&self, commands: &[(u32, Parsed)]) -> Result<(), HandlerFailed> {
        let comment = self.comment;
        let first = commands.iter().find_map(|(_, parsed)| parsed.as_ref().ok()?.environment());
        let (seen, situation, rights) = tokio::join!(
            self.hub.react(comment.comment, Reaction::Eyes),
            self.hub.situation(self.pull(), first),
            self.hub.rights(&comment.author.login, &[]),
        );
        if !seen? {
            return self.gone(commands).await;
        }
        let rights = match self.patient(rights)? {
            Ok(rights) => rights,
            Err(problem) => return self.refuse_all(commands, &access::unknown(&comment.author, &problem.what)).await,
        };
        let situation = match self.patient(situation)? {
            Ok(situation) => situation,
            Err(problem) => return self.refuse_all(commands, &unreadable(&problem)).await,
        };
        let mut situations = vec![(first.cloned(), situation)];
        let mut confused = false;
        for command in commands {
            let (index, parsed) = command;
            if self.is_answered(*index).await? {
                continue;
            }
            let situation = match self.patient(self.situation_for(&mut situations, parsed).await)? {
                Ok(situation) => situation,
                Err(problem) => {
                    self.refuse_all(std::slice::from_ref(command), &unreadable(&problem)).await?;
                    continue;
                }
            };
            let ask = Ask::new((self.bot, self.hub), (self.claimed, comment, *index), &situation, &rights);
            let ended = match parsed {
                Ok(command) => run(&ask, command).await,
                Err(line) if is_near_miss(parsed) && !can_write(&rights, comment) => Ok(ignored(line)),
                Err(line) => Ok(not_a_command(line)),
            };
            let answer = match ended {
                Ok(answer) => answer,
                Err(Halted::No(denied)) => refused(&denied, &line(parsed)),
                Err(Halted::Store(failed)) => return Err(failed),
                Err(Halted::GitHub(problem)) => match self.patient::<Answer>(Err(*problem))? {
                    Ok(answer) => answer,
                    Err(problem) => refused(&unreadable(&problem), &line(parsed)),
                },
            };
            let stranger =
                visibility(&situation) == Visibility::Public && !can_write(&rights, comment) && !ask.was_granted();
            self.note(*index, parsed, &answer, Some(&situation)).await?;
            match answer.text {
                Some(_) if stranger => confused = true,
                Some(text) => self.answer(*index, &text).await?,
                None => {}
            }
        }
        if confused {
            self.hub.react(comment.comment, Reaction::Confused).await?;
        }
        Ok(())
    }

    /// A failure that may pass is tried again a few times before it is the answer.
    fn patient<T>(&self, answer: Result<T, Problem>) -> Result<Result<T, Problem>, HandlerFailed> {
        match answer {
            Err(problem) if problem.kind == ProblemKind::Provider && self.claimed.attempts < TRIES => {
                Err(problem.into())
            }
            answer => Ok(answer),
        }
    }

    fn pull(&self) -> Option<crate::types::IssueNumber> {
        self.comment.is_pull.then_some(self.comment.issue)
    }

    /// The situation with the deployments of the command's own environment.
    async fn situation_for(
        &self,
        known: &mut Vec<(Option<EnvironmentName>, Situation)>,
        parsed: &Parsed,
    ) -> Result<Situation, Problem> {
        let wanted = parsed.as_ref().ok().and_then(Command::environment);
        let found = known.iter().find(|(name, _)| wanted.is_none() || name.as_ref() == wanted);
        if let Some((_, situation)) = found {
            return Ok(situation.clone());
        }
        let situation = self.hub.situation(self.pull(), wanted).await?;
        known.push((wanted.cloned(), situation.clone()));
        Ok(situation)
    }

    /// Whether an earlier try wrote this answer.
    async fn is_answered(&self, index: u32) -> Result<bool, HandlerFailed> {
        if self.claimed.attempts == 0 {
            return Ok(false);
        }
        let marker = answer_marker(self.comment.comment, index);
        Ok(self.hub.find_comment(self.comment.issue, &marker, self.comment.created).await?.is_some())
    }

    async fn answer(&self, index: u32, text: &str) -> Result<(), HandlerFailed> {
        let marker = answer_marker(self.comment.comment, index);
        self.hub.comment(self.comment.issue, &format!("{}\n\n{marker}", text.trim_end())).await?;
        Ok(())
    }

    /// Nobody waits for an answer to a comment that was deleted, and what it asked for is withdrawn.
    async fn gone(&self, commands: &[(u32, Parsed)]) -> Result<(), HandlerFailed> {
        for (index, parsed) in commands {
            self.note(*index, parsed, &Answer::silent(ReasonCode::CommentGone), None).await?;
        }
        Ok(())
    }

    /// The same no for every command, where nothing is known of the person or the policy.
    async fn refuse_all(&self, commands: &[(u32, Parsed)], denied: &Denied) -> Result<(), HandlerFailed> {
        for (index, parsed) in commands {
            if self.is_answered(*index).await? {
                continue;
            }
            let answer = refused(denied, &line(parsed));
            self.note(*index, parsed, &answer, None).await?;
            // Who it is, is not known: on a public repository it may be anybody.
            match answer.text {
                Some(text) if !self.comment.repository.public => self.answer(*index, &text).await?,
                _ => {
                    self.hub.react(self.comment.comment, Reaction::Confused).await?;
                }
            }
        }
        Ok(())
    }

    async fn too_many(&self, commands: usize) -> Result<(), HandlerFailed> {
        let denied = Denied::new(
            ReasonCode::TooManyCommands,
            "These are too many commands in a short time, so nothing was done.",
            "Wait a minute, then comment again. Until then there is no answer.",
        );
        info!(actor = %self.comment.author.id, commands, "too many commands");
        self.bot.metrics.command("any", denied.code.word());
        if self.comment.repository.public {
            self.hub.react(self.comment.comment, Reaction::Confused).await?;
            return Ok(());
        }
        self.answer(0, &messages::denied(&denied, self.comment.body.lines().next().unwrap_or_default())).await
    }

    /// Only people who could have meant us are told; to everybody else it was not said.
    async fn near_misses(&self, commands: &[(u32, Parsed)]) -> Result<(), HandlerFailed> {
        let rights = self.hub.rights(&self.comment.author.login, &[]).await?;
        if !can_write(&rights, self.comment) {
            return Ok(());
        }
        for (index, parsed) in commands {
            if let Err(line) = parsed
                && !self.is_answered(*index).await?
            {
                self.answer(*index, &messages::not_a_command(line)).await?;
            }
        }
        Ok(())
    }

    /// Writes a command into the audit chain, once, and counts it.
    async fn note(
        &self,
        index: u32,
        parsed: &Parsed,
        answer: &Answer,
        situation: Option<&Situation>,
    ) -> Result<(), HandlerFailed> {
        let comment = self.comment;
        let (verb, environment) = match parsed {
            Ok(command) => (command.verb().word(), command.environment().map(ToString::to_string)),
            Err(_) => ("none", None),
        };
        let mut details = json!({
            "comment": comment.comment,
            "issue": comment.issue,
            "command": line(parsed),
            "policy_commit": situation.map(|situation| situation.policy_commit),
        });
        if let (Some(all), Some(more)) = (details.as_object_mut(), answer.details.as_object()) {
            all.extend(more.clone());
        }
        let entry = NewAudit {
            key: format!("command/{}/{index}", comment.comment),
            repository: Some(comment.repository.id),
            repository_name: Some(comment.repository.name.to_string()),
            environment: environment.clone(),
            actor: Some(comment.author.clone()),
            action: verb.to_owned(),
            outcome: answer.code.word().to_owned(),
            details,
        };
        let entry = entry.without_secrets(&self.bot.redactor);
        self.bot.store.audit(&entry, clock::now()).await?;
        self.bot.metrics.command(verb, answer.code.word());
        info!(verb, environment, outcome = answer.code.word(), "command");
        Ok(())
    }
}

async fn run(ask: &Ask<'_>, command: &Command) -> Result<Answer, Halted> {
    match command {
        Command::Deploy { environment, services, sha, reason } => {
            deploy::run(ask, environment, services, *sha, reason.as_ref()).await
        }
        Command::Plan { environment, services, sha } => plan::run(ask, environment, services, *sha).await,
        Command::Rollback { environment, services, to, lock } => {
            rollback::run(ask, environment, services, to.as_ref(), *lock).await
        }
        Command::Lock { environment, until, reason } => lock::run(ask, environment, *until, reason.as_ref()).await,
        Command::Unlock { environment, force } => unlock::run(ask, environment, force.as_ref()).await,
        Command::Cancel { environment } => cancel::run(ask, environment.as_ref()).await,
        Command::Status { environment } => status::run(ask, environment.as_ref()).await,
        Command::History { environment } => history::run(ask, environment).await,
        Command::Help => help::run(ask),
        Command::Approve { environment, sha } => {
            let word = gates::Said { decision: Decision::Approve, sha: *sha, reason: None };
            gates::answer(ask, environment.as_ref(), word).await
        }
        Command::Reject { environment, reason } => {
            let word = gates::Said { decision: Decision::Reject, sha: None, reason: reason.as_deref() };
            gates::answer(ask, environment.as_ref(), word).await
        }
        Command::Promote { environment } => steer::run(ask, environment.as_ref(), Steer::Promote).await,
        Command::Pause { environment } => steer::run(ask, environment.as_ref(), Steer::Pause).await,
        Command::Resume { environment } => steer::run(ask, environment.as_ref(), Steer::Resume).await,
    }
}

/// The command as it stands in an answer.
fn line(parsed: &Parsed) -> String {
    match parsed {
        Ok(command) => command.to_string(),
        Err(no) => no.line.clone(),
    }
}

fn refused(denied: &Denied, line: &str) -> Answer {
    if denied.code == ReasonCode::Defect {
        warn!(what = denied.what, "a defect");
    }
    Answer::said(denied.code, messages::denied(denied, line)).noting("why", &denied.what)
}

fn not_a_command(line: &NotACommand) -> Answer {
    Answer::said(code(line), messages::not_a_command(line))
}

fn ignored(line: &NotACommand) -> Answer {
    Answer::silent(code(line))
}

fn code(line: &NotACommand) -> ReasonCode {
    match line.code {
        NotACommandCode::UnknownVerb | NotACommandCode::Usage => ReasonCode::Usage,
        NotACommandCode::Confusable => ReasonCode::Confusable,
    }
}

/// GitHub did not show the repository.
fn unreadable(problem: &Problem) -> Denied {
    let code = match problem.kind {
        ProblemKind::Provider => ReasonCode::ProviderFailed,
        ProblemKind::Refused => ReasonCode::PermissionWithdrawn,
        ProblemKind::Mistake | ProblemKind::Defect => ReasonCode::Defect,
    };
    let mut denied = Denied::new(code, problem.what.clone(), problem.next.clone());
    denied.why.clone_from(&problem.why);
    denied
}

#[cfg(test)]
mod tests;
