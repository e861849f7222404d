//! AWS accounts, regions and role ARNs.
//!
//! Lenient where AWS grows (partitions, regions), strict where a mistake is likely (length, digits,
//! a user's ARN in place of a role's).

use std::fmt;
use std::str::FromStr;

use super::text_form;

/// A text that is not an account id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an AWS account id has 12 digits (quote it in YAML, or a leading 0 is lost); {0:?} is not one")]
pub struct InvalidAccountId(String);

/// A text that is not a region.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a region is written like us-east-1; {0:?} is not one")]
pub struct InvalidRegion(String);

/// A text that is not a role's ARN.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a role is written like arn:aws:iam::111122223333:role/name; {0:?} is not one")]
pub struct InvalidRoleArn(String);

/// Twelve digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(String);

/// A region's name, by form only: a new region must not need a new Shipline.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(String);

/// The ARN of an IAM role.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleArn {
    text: String,
    account: AccountId,
}

impl AccountId {
    /// The twelve digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Region {
    /// The name, for example `us-east-1`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl RoleArn {
    /// The whole ARN.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The account the role belongs to.
    pub fn account(&self) -> &AccountId {
        &self.account
    }
}

impl FromStr for AccountId {
    type Err = InvalidAccountId;
    fn from_str(text: &str) -> Result<Self, InvalidAccountId> {
        if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidAccountId(text.to_owned()))
        }
    }
}

impl FromStr for Region {
    type Err = InvalidRegion;
    fn from_str(text: &str) -> Result<Self, InvalidRegion> {
        let parts: Vec<&str> = text.split('-').collect();
        let words =
            parts.iter().all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
        let number = parts.last().is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()));
        if (3..=5).contains(&parts.len()) && words && number && text.len() <= 32 {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidRegion(text.to_owned()))
        }
    }
}

impl FromStr for RoleArn {
    type Err = InvalidRoleArn;
    fn from_str(text: &str) -> Result<Self, InvalidRoleArn> {
        let wrong = || InvalidRoleArn(text.to_owned());
        let mut parts = text.splitn(6, ':');
        let (Some("arn"), Some(partition), Some("iam"), Some(""), Some(account), Some(resource)) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong());
        };
        let name = resource.strip_prefix("role/").ok_or_else(wrong)?;
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@_-/".contains(&b);
        if !partition.starts_with("aws") || name.is_empty() || name.ends_with('/') || !name.bytes().all(allowed) {
            return Err(wrong());
        }
        let account = account.parse().map_err(|_| wrong())?;
        Ok(Self { text: text.to_owned(), account })
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for RoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

text_form!(AccountId);
text_form!(Region);
text_form!(RoleArn);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_checked_by_form_and_new_ones_pass() {
        for good in ["us-east-1", "eu-central-1", "us-gov-west-1", "us-iso-east-1", "xx-future-9"] {
            assert!(good.parse::<Region>().is_ok(), "{good:?} was refused");
        }
        for bad in ["", "us-east", "US-EAST-1", "us_east_1", "us-east-1a", "us-east-1/", "-us-1"] {
            assert!(bad.parse::<Region>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn a_role_is_a_role_and_not_a_user() {
        let role: RoleArn = "arn:aws:iam::111122223333:role/path/shipline".parse().unwrap();
        assert_eq!(role.account().as_str(), "111122223333");
        assert!("arn:aws-cn:iam::111122223333:role/x".parse::<RoleArn>().is_ok());
        for bad in [
            "",
            "shipline",
            "arn:aws:iam::111122223333:user/x",
            "arn:aws:iam::11112222333:role/x",
            "arn:aws:iam::111122223333:role/",
            "arn:aws:iam:us-east-1:111122223333:role/x",
            "arn:aws:iam::111122223333:role/a b",
        ] {
            assert!(bad.parse::<RoleArn>().is_err(), "{bad:?} was accepted");
        }
    }
}
