//! Rules of an environment: who, when, after what, and how carefully.

use super::List;
use super::forms::{Either, Whole};
use super::shape::{record, words};
use super::values::{Access, Argument, Branch, Person, WeekTime, Zone};
use crate::types::{Percent, ServiceName, Span};

words! {
    /// Which checks count.
    ChecksWord = "a choice of checks" {
        /// Those that branch protection requires.
        Required = "required",
        /// All that ran.
        All = "all",
    }
}

words! {
    /// Which reviews count.
    ReviewsWord = "a choice of reviews" {
        /// Those that branch protection requires.
        Required = "required",
    }
}

record! {
    /// People who must say yes before anything changes.
    Approvals = "{ count: 1, from: [\"@acme/release-managers\"] }" {
        /// How many must.
        optional "count" count: Whole<1, 10>, default "`1`";
        /// Who may. Quote the names: YAML does not take a bare `@`.
        required "from" from: List<Person>;
        /// Whether the person who asked for the deployment may say yes to it.
        optional "requester" requester: bool, default "`false`", example "false";
        /// How long the question stays open.
        optional "expires" expires: Span, default "`24h`", example "24h";
    }
}

record! {
    /// A time of the week when nothing is deployed, from `from` up to, and without, `to`, by the clocks of
    /// `zone`. The week runs from Monday to Sunday; an end that comes before the beginning in it is in
    /// the next week, so `Fri 16:00` to `Mon 08:00` is one freeze over the weekend. Over the night in
    /// which clocks change a freeze is an hour longer or shorter: of a time that comes twice the first
    /// counts, and a time that clocks leap over is an hour later.
    Freeze = "{ from: Fri 16:00, to: Mon 08:00, zone: Europe/Berlin }" {
        /// Its beginning.
        required "from" from: WeekTime;
        /// Its end.
        required "to" to: WeekTime, example "Mon 08:00";
        /// The time zone of both.
        required "zone" zone: Zone;
    }
}

/// Who may do one thing: one, or several.
pub(crate) type Allowed = Either<Access, List<Access>>;

record! {
    /// Who may do what: repository roles, teams, users.
    People = "{ deploy: [write] }" {
        /// Who may deploy, plan and cancel.
        optional "deploy" deploy: Allowed, default "`write`";
        /// Who may go back. A rollback waits for no check, soak or freeze.
        optional "rollback" rollback: Allowed, default "as `deploy`";
        /// Who may approve, reject, promote and pause.
        optional "approve" approve: Allowed, default "as `approvals.from`, else `write`", example "\"@acme/release-managers\"";
        /// Who may lock and unlock.
        optional "lock" lock: Allowed, default "`maintain`", example "[maintain]";
    }
}

words! {
    /// What happens to a command while a deployment is open.
    QueueWord = "a choice of queue" {
        /// It waits; the newest that waits takes the place of the older, whose writer is told.
        One = "one",
        /// It is refused.
        Refuse = "refuse",
    }
}

words! {
    /// Whether something is allowed.
    AllowWord = "`allow` or `refuse`" {
        /// It may be deployed.
        Allow = "allow",
        /// It may not.
        Refuse = "refuse",
    }
}

record! {
    /// From which pull requests a comment may deploy. A rollback does not ask.
    PullRequests = "{ drafts: allow, bases: [main, release-1] }" {
        /// Drafts.
        optional "drafts" drafts: AllowWord, default "`refuse`";
        /// Pull requests from forks. Even then somebody who can write must have approved the very commit.
        optional "forks" forks: AllowWord, default "`refuse`", example "refuse";
        /// The branches that a pull request may want to go into, each in full.
        optional "bases" bases: List<Branch>, default "the default branch", example "[main, release-1]";
        /// Branches that lack commits of their base.
        optional "behind" behind: AllowWord, default "`allow`", example "refuse";
    }
}

record! {
    /// A command that runs once, in a task of its own.
    Hook = "{ run: [alembic, upgrade, head], in: api }" {
        /// The command and its arguments. No shell sees it.
        required "run" run: List<Argument>, example "[alembic, upgrade, head]";
        /// The service whose new image, network and roles it runs with.
        required "in" service: ServiceName;
        /// The command that takes it back.
        optional "undo" undo: List<Argument>, default "none", example "[alembic, downgrade, \"-1\"]";
        /// How long it may take.
        optional "within" within: Span, default "`10m`", example "10m";
    }
}

words! {
    /// How traffic moves, by name, with the platform's own settings.
    StrategyWord = "a strategy" {
        /// The platform replaces tasks step by step.
        Rolling = "rolling",
        /// All at once to a second set.
        BlueGreen = "blue-green",
        /// In equal steps.
        Linear = "linear",
        /// A small share first, then the rest.
        Canary = "canary",
    }
}

record! {
    /// How traffic moves, with settings.
    StrategySettings = "{ canary: { percent: 10, bake: 10m, approval: true } }", one of ["blue-green", "linear", "canary"] {
        /// All at once to a second set.
        optional "blue-green" blue_green: BlueGreen, example "{ bake: 10m }";
        /// In equal steps.
        optional "linear" linear: Linear;
        /// A small share first, then the rest.
        optional "canary" canary: Canary, example "{ percent: 10, bake: 10m, approval: true }";
    }
}

record! {
    /// All at once to a second set of tasks.
    BlueGreen = "{ bake: 10m }" {
        /// How long the old set stays, at most 24 hours.
        optional "bake" bake: Span, default "`5m`", example "10m";
        /// Whether somebody must say yes before the shift.
        optional "approval" approval: bool, default "`false`";
    }
}

record! {
    /// In equal steps.
    Linear = "{ percent: 20, every: 5m }" {
        /// The share of one step, 3 to 100.
        optional "percent" percent: Percent, default "`10`", example "20";
        /// How long one step lasts, at most 24 hours.
        optional "every" every: Span, default "`6m`", example "5m";
        /// How long the old set stays at the end, at most 24 hours.
        optional "bake" bake: Span, default "`5m`", example "10m";
    }
}

record! {
    /// A small share first.
    Canary = "{ percent: 10, bake: 10m }" {
        /// The share, 0.1 to 100.
        optional "percent" percent: Percent, default "`5`";
        /// How long it is watched, at most 24 hours.
        optional "bake" bake: Span, default "`10m`", example "10m";
        /// Whether somebody must say yes before the rest follows.
        optional "approval" approval: bool, default "`false`";
        /// How long the old set stays when all traffic has moved, at most 24 hours.
        optional "stays" stays: Span, default "`5m`", example "10m";
    }
}
