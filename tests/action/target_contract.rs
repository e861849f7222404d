//! The contract of `Target`: one suite, run on every platform through its simulator.

use std::sync::Arc;

use async_trait::async_trait;
use shipline::config::spec::{Approval, Strategy};
use shipline::engine::{Back, Sight, Target, TargetError, Wish};
use shipline::rollout::{Change, Direction, ServicePlan, Shift};
use shipline::types::Span;

use crate::app_runner::settle;

mod app_runner_world;
mod compose_world;
mod ecs_world;
mod express_world;
mod source_world;

/// An image of the suite: `Old` runs at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Old,
    New,
    /// Put there by somebody else.
    Theirs,
}

/// The letter of its digest.
fn letter(which: Which) -> char {
    match which {
        Which::Old => 'a',
        Which::New => 'b',
        Which::Theirs => 'c',
    }
}

/// A canary of a tenth.
pub(crate) fn canary() -> Strategy {
    let percent = "10".parse().expect("a percentage");
    Strategy::Canary { percent, bake: Span::minutes(10), approval: Approval::NotAsked, stays: Span::minutes(5) }
}

/// How a change to the new image ends, where it does not end well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    /// Its container ends with code 1 and the log line `KeyError: 'X'`; the provider goes back by itself.
    Badly,
    /// Not within the time of a test.
    Never,
}

/// A platform with one service that serves `Which::Old`.
#[async_trait]
pub(crate) trait Arrange: Send + Sync {
    /// A target on its own, as a new process would make it.
    async fn target(&self, strategy: Strategy) -> Arc<dyn Target>;
    /// The wish for an image.
    fn wish(&self, which: Which) -> Wish;
    /// Decides how a change to `Which::New` ends, from now on.
    fn ends(&self, how: Ends);
    /// How often the service was asked to change what runs, so far.
    fn changes(&self) -> usize;
    /// How many calls of any kind that change something were made so far.
    fn mutations(&self) -> usize;
    /// Somebody else deploys `Which::Theirs`; it may still be under way.
    fn taken_over(&self);
    /// What the provider says is live, as the target writes images.
    fn live(&self) -> String;
}

async fn rolling(world: &dyn Arrange) -> Arc<dyn Target> {
    world.target(Strategy::Rolling).await
}

async fn planned(target: &dyn Target, world: &dyn Arrange) -> ServicePlan {
    let plan = target.prepare(&world.wish(Which::New)).await.unwrap().service;
    assert!(matches!(plan.change, Change::Move { .. }), "{plan:?}");
    plan
}

/// Goes back as the engine does, to the end.
async fn back(target: &dyn Target, plan: &ServicePlan, shift: Option<Shift>) -> Sight {
    let mut taken = shift;
    for _ in 0..4 {
        match target.revert(plan, taken.as_ref()).await.unwrap() {
            Back::Already => return Sight::Serving,
            Back::Superseded { by } => return Sight::Superseded { by },
            Back::Began(shift) => {
                assert_eq!(shift.direction, Direction::Back);
                match settle(target, plan, &shift).await {
                    Sight::AskAgain => taken = Some(*shift),
                    sight => return sight,
                }
            }
        }
    }
    panic!("asked four times and not back")
}

pub(crate) async fn preparing_changes_nothing_and_says_the_same_twice(world: &dyn Arrange) {
    let one = planned(&*rolling(world).await, world).await;
    let two = planned(&*rolling(world).await, world).await;
    assert_eq!(one, two);
    assert_eq!(world.mutations(), 0);
    assert_eq!(one.previous.image_text, world.live());
}

pub(crate) async fn what_already_serves_is_nothing_to_do(world: &dyn Arrange) {
    let plan = rolling(world).await.prepare(&world.wish(Which::Old)).await.unwrap().service;
    assert_eq!(plan.change, Change::Nothing);
    assert_eq!(world.mutations(), 0);
}

pub(crate) async fn applying_twice_changes_once(world: &dyn Arrange) {
    let target = rolling(world).await;
    let plan = planned(&*target, world).await;
    let one = target.apply(&plan).await.unwrap();
    let two = target.apply(&plan).await.unwrap();
    assert_eq!((&one.revision, one.direction), (&two.revision, Direction::Forward));
    assert_eq!(settle(&*target, &plan, &two).await, Sight::Serving);
    // Also when it is long done.
    let three = target.apply(&plan).await.unwrap();
    assert_eq!(settle(&*target, &plan, &three).await, Sight::Serving);
    assert_eq!(world.changes(), 1);
}

pub(crate) async fn a_new_process_joins_what_is_under_way(world: &dyn Arrange) {
    let first = rolling(world).await;
    let plan = planned(&*first, world).await;
    first.apply(&plan).await.unwrap();
    drop(first);
    // What survives a crash is what was journaled.
    let plan: ServicePlan = serde_json::from_value(serde_json::to_value(&plan).unwrap()).unwrap();
    let second = rolling(world).await;
    let shift = second.apply(&plan).await.unwrap();
    let shift: Shift = serde_json::from_value(serde_json::to_value(&shift).unwrap()).unwrap();
    assert_eq!(settle(&*rolling(world).await, &plan, &shift).await, Sight::Serving);
    assert_eq!(world.changes(), 1);
}

pub(crate) async fn observing_changes_nothing_and_serving_is_said_only_at_the_end(world: &dyn Arrange) {
    let target = rolling(world).await;
    let plan = planned(&*target, world).await;
    let shift = target.apply(&plan).await.unwrap();
    let mutations = world.mutations();
    assert!(matches!(target.observe(&plan, &shift).await.unwrap(), Sight::Moving(_)));
    assert_eq!(settle(&*target, &plan, &shift).await, Sight::Serving);
    assert_eq!(target.observe(&plan, &shift).await.unwrap(), Sight::Serving);
    assert_eq!(world.live(), shift.revision.image_text);
    assert_eq!(world.mutations(), mutations);
}

pub(crate) async fn a_failed_change_is_broken_with_a_cause_and_a_next_step(world: &dyn Arrange) {
    world.ends(Ends::Badly);
    let target = rolling(world).await;
    let plan = planned(&*target, world).await;
    let shift = target.apply(&plan).await.unwrap();
    let Sight::Broke(seen) = settle(&*target, &plan, &shift).await else { panic!("it did not break") };
    let mutations = world.mutations();
    let cause = target.explain(&plan, &shift, *seen).await;
    assert!(!cause.next.is_empty() && !cause.summary.is_empty());
    assert_eq!(cause.exit.as_ref().map(|exit| exit.code), Some(1), "{cause:?}");
    let log = cause.log.as_ref().unwrap_or_else(|| panic!("no log lines: {cause:?}"));
    assert!(log.lines.iter().any(|line| line.contains("KeyError: 'X'")), "{log:?}");
    assert_eq!(world.mutations(), mutations);
    assert_eq!(back(&*target, &plan, Some(shift)).await, Sight::Serving);
    assert_eq!(world.live(), plan.previous.image_text);
}

pub(crate) async fn a_good_change_is_taken_back(world: &dyn Arrange) {
    let target = rolling(world).await;
    let plan = planned(&*target, world).await;
    let shift = target.apply(&plan).await.unwrap();
    assert_eq!(settle(&*target, &plan, &shift).await, Sight::Serving);
    // Asked twice, by two processes; one change.
    target.revert(&plan, Some(&shift)).await.unwrap();
    assert_eq!(back(&*rolling(world).await, &plan, Some(shift)).await, Sight::Serving);
    assert_eq!(world.live(), plan.previous.image_text);
    assert_eq!(world.changes(), 2);
    assert_eq!(back(&*target, &plan, None).await, Sight::Serving);
    assert_eq!(world.changes(), 2);
}

pub(crate) async fn a_change_under_way_is_taken_back_even_when_its_answer_was_lost(world: &dyn Arrange) {
    let target = rolling(world).await;
    let plan = planned(&*target, world).await;
    target.apply(&plan).await.unwrap();
    assert_eq!(back(&*rolling(world).await, &plan, None).await, Sight::Serving);
    assert_eq!(world.live(), plan.previous.image_text);
}

pub(crate) async fn where_nothing_was_asked_for_nothing_is_taken_back(world: &dyn Arrange) {
    let target = rolling(world).await;
    let plan = planned(&*target, world).await;
    assert_eq!(target.revert(&plan, None).await.unwrap(), Back::Already);
    assert_eq!(world.mutations(), 0);
}

pub(crate) async fn somebody_elses_change_is_named_and_left_alone(world: &dyn Arrange) {
    let target = rolling(world).await;
    let plan = planned(&*target, world).await;
    let shift = target.apply(&plan).await.unwrap();
    assert_eq!(settle(&*target, &plan, &shift).await, Sight::Serving);
    let mutations = world.mutations();
    world.taken_over();
    let Sight::Superseded { by } = seen_to_end(&*target, &plan, &shift).await else { panic!("not noticed") };
    assert!(!by.is_empty());
    let Sight::Superseded { .. } = back(&*target, &plan, Some(shift)).await else { panic!("not left alone") };
    assert_eq!(world.mutations(), mutations);
}

/// Looks again while the other change may not have shown yet.
async fn seen_to_end(target: &dyn Target, plan: &ServicePlan, shift: &Shift) -> Sight {
    for _ in 0..50 {
        match settle(target, plan, shift).await {
            Sight::Serving => std::future::ready(()).await,
            sight => return sight,
        }
    }
    Sight::Serving
}

pub(crate) async fn a_change_that_does_not_end_stays_moving_and_says_what_it_does(world: &dyn Arrange) {
    world.ends(Ends::Never);
    let target = rolling(world).await;
    let plan = planned(&*target, world).await;
    let shift = target.apply(&plan).await.unwrap();
    for _ in 0..3 {
        let Sight::Moving(progress) = target.observe(&plan, &shift).await.unwrap() else { panic!("decided") };
        assert!(!progress.doing.is_empty());
    }
}

pub(crate) async fn the_past_lists_what_served_before_and_it_can_be_deployed(world: &dyn Arrange) {
    let target = rolling(world).await;
    let plan = planned(&*target, world).await;
    let shift = target.apply(&plan).await.unwrap();
    assert_eq!(settle(&*target, &plan, &shift).await, Sight::Serving);
    let mutations = world.mutations();
    let past = rolling(world).await.past().await.unwrap();
    assert_eq!(past.live.id, shift.revision.id);
    assert_eq!(past.live.image_text, world.live());
    let good: Vec<&str> = past.good.iter().map(|good| good.revision.id.as_str()).collect();
    assert_eq!(good.first(), Some(&plan.previous.id.as_str()), "{past:?}");
    assert_eq!(world.mutations(), mutations);

    let wish = Wish::Revision(past.good[0].revision.clone());
    let plan = target.prepare(&wish).await.unwrap().service;
    let shift = target.apply(&plan).await.unwrap();
    assert_eq!(settle(&*target, &plan, &shift).await, Sight::Serving);
    assert_eq!(world.live(), plan_image(&wish));
}

fn plan_image(wish: &Wish) -> String {
    match wish {
        Wish::Revision(revision) => revision.image_text.clone(),
        Wish::Image { image, .. } => image.by_digest(),
        Wish::Source { commit } => source_world::told(commit),
    }
}

pub(crate) async fn a_canary_is_refused_with_a_next_step(world: &dyn Arrange) {
    let target = world.target(canary()).await;
    let TargetError::Refused(problem) = target.prepare(&world.wish(Which::New)).await.unwrap_err() else {
        panic!("not a refusal")
    };
    assert!(!problem.next.is_empty(), "{problem}");
    assert_eq!(world.mutations(), 0);
}

/// The whole suite as tests of a module.
macro_rules! contract {
    ($module:ident, $world:expr, [$($story:ident),* $(,)?]) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $story() {
                    super::$story(&$world.await).await;
                }
            )*
        }
    };
    ($module:ident, $world:expr) => {
        contract!($module, $world, [
            preparing_changes_nothing_and_says_the_same_twice,
            what_already_serves_is_nothing_to_do,
            applying_twice_changes_once,
            a_new_process_joins_what_is_under_way,
            observing_changes_nothing_and_serving_is_said_only_at_the_end,
            a_failed_change_is_broken_with_a_cause_and_a_next_step,
            a_good_change_is_taken_back,
            a_change_under_way_is_taken_back_even_when_its_answer_was_lost,
            where_nothing_was_asked_for_nothing_is_taken_back,
            somebody_elses_change_is_named_and_left_alone,
            a_change_that_does_not_end_stays_moving_and_says_what_it_does,
            the_past_lists_what_served_before_and_it_can_be_deployed,
            a_canary_is_refused_with_a_next_step,
        ]);
    };
}

contract!(ecs, super::ecs_world::Ecs::new());
contract!(express, super::express_world::Express::new());
contract!(app_runner, super::app_runner_world::AppRunner::new());
contract!(app_runner_from_source, super::source_world::Source::new());
contract!(compose, std::future::ready(super::compose_world::Compose::new()));
