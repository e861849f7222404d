use super::*;

fn is_send<T: Send>(_: &T) {}

#[tokio::test]
async fn what_handlers_call_can_be_spawned() {
    fn check(bot: &Bot, asked: &crate::store::Asked, config: &shipline::config::spec::Config) {
        is_send(&preview(bot, asked, config));
        is_send(&live(bot, &asked.repository, config, &asked.key.environment));
    }
    let _compiles: fn(&Bot, &crate::store::Asked, &shipline::config::spec::Config) = check;
}
