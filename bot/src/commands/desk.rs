//! What is kept between two comments, and may be forgotten at any time: configurations that were
//! read, and how much each person has asked lately. Nothing here decides who may do what.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use sha2::{Digest as _, Sha256};
use shipline::config::spec::Config;
use shipline::problem::Problems;

use crate::types::{RepositoryId, UserId};

/// How many configurations are kept.
const KEPT: usize = 256;

/// Commands at once of one person in one repository; afterwards one every [`A_MINUTE`]th of a minute.
const AT_ONCE: NonZeroU32 = NonZeroU32::new(20).expect("20 is not 0");
const A_MINUTE: NonZeroU32 = NonZeroU32::new(10).expect("10 is not 0");

/// When so many people are known, those who are quiet again are forgotten.
const PEOPLE: usize = 10_000;

type Buckets = DefaultKeyedRateLimiter<(RepositoryId, UserId)>;
type Read = Result<Arc<Config>, Problems>;

/// What is kept between two comments. One a process.
pub struct Desk {
    configs: Mutex<HashMap<[u8; 32], Read>>,
    commands: Buckets,
    answers: Buckets,
}

/// Whether somebody may ask once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Go on.
    Enough,
    /// No, and it is time to say so.
    SayNo,
    /// No, and it was said already.
    Silent,
}

impl Default for Desk {
    fn default() -> Self {
        let buckets = |at_once| RateLimiter::keyed(Quota::per_minute(A_MINUTE).allow_burst(at_once));
        let once_a_minute = Quota::per_minute(NonZeroU32::MIN);
        Self { configs: Mutex::default(), commands: buckets(AT_ONCE), answers: RateLimiter::keyed(once_a_minute) }
    }
}

impl Desk {
    /// The configuration that a text is. Equal texts are read once.
    pub fn config(&self, text: &str) -> Read {
        let hash: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        let mut configs = self.configs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(read) = configs.get(&hash) {
            return read.clone();
        }
        let read = shipline::config::parse(shipline::config::FILE, text).map(Arc::new);
        if configs.len() >= KEPT {
            configs.clear();
        }
        configs.insert(hash, read.clone());
        read
    }

    /// Takes note that a person asks for so many commands in a repository.
    pub fn patience(&self, repository: RepositoryId, user: UserId, commands: usize) -> Patience {
        let who = (repository, user);
        if self.commands.len() > PEOPLE {
            self.commands.retain_recent();
            self.answers.retain_recent();
        }
        let count = u32::try_from(commands).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN).min(AT_ONCE);
        match self.commands.check_key_n(&who, count) {
            Ok(Ok(())) => Patience::Enough,
            Ok(Err(_)) | Err(_) if self.answers.check_key(&who).is_ok() => Patience::SayNo,
            Ok(Err(_)) | Err(_) => Patience::Silent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asks_too_much_is_told_once_and_nobody_else_is_held_up() {
        let desk = Desk::default();
        let (here, there, ann, ben) = (RepositoryId::new(1), RepositoryId::new(2), UserId::new(1), UserId::new(2));
        for _ in 0..10 {
            assert_eq!(desk.patience(here, ann, 2), Patience::Enough);
        }
        assert_eq!(desk.patience(here, ann, 1), Patience::SayNo);
        assert_eq!(desk.patience(here, ann, 1), Patience::Silent);
        assert_eq!(desk.patience(here, ben, 1), Patience::Enough);
        assert_eq!(desk.patience(there, ann, 1), Patience::Enough);
    }

    #[test]
    fn a_text_is_read_once_and_its_mistakes_are_kept_too() {
        let desk = Desk::default();
        let wrong = desk.config("version: 1\nservicess: {}\n").unwrap_err();
        assert_eq!(desk.config("version: 1\nservicess: {}\n").unwrap_err(), wrong);
        assert_eq!(desk.configs.lock().unwrap().len(), 1);
    }
}
