//! Hashes of passwords: bcrypt, as in etcd. Slow on purpose (at cost 10 some fifty milliseconds), so neither is
//! to be called on the loop.

use crate::limits::PASSWORD_BYTES_MAX;

/// As etcd's `--bcrypt-cost` is by default.
pub const COST: u32 = 10;

/// Hashes a password with a salt that the caller drew.
///
/// # Errors
///
/// The password is longer than bcrypt can tell apart, or the cost is none that bcrypt knows.
pub fn hash(password: &str, cost: u32, salt: [u8; 16]) -> Result<String, BadPassword> {
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(BadPassword::TooLong);
    }
    let parts =
        bcrypt::hash_with_salt(password, cost, salt).map_err(|_| BadPassword::Cost(cost))?;
    Ok(parts.to_string())
}

/// Does a password belong to a hash?
pub fn fits(password: &str, hash: &str) -> bool {
    password.len() <= PASSWORD_BYTES_MAX && bcrypt::verify(password, hash).unwrap_or(false)
}

/// Why no hash can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadPassword {
    /// The rest would not count.
    TooLong,
    /// Not between 4 and 31.
    Cost(u32),
}

impl std::fmt::Display for BadPassword {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooLong => {
                write!(
                    to,
                    "password is longer than {PASSWORD_BYTES_MAX} bytes: choose a shorter one"
                )
            }
            Self::Cost(cost) => write!(to, "bcrypt cost {cost}: choose one from 4 to 31"),
        }
    }
}

impl std::error::Error for BadPassword {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_fits_its_password_alone() {
        let made = hash("secret", 4, [7; 16]).unwrap();
        assert_eq!(made, hash("secret", 4, [7; 16]).unwrap(), "the salt is all that is drawn");
        assert!(made.starts_with("$2"));
        assert!(fits("secret", &made));
        assert!(!fits("secreT", &made));
        assert!(!fits("secret", "nonsense"));
        assert_eq!(hash(&"x".repeat(73), 4, [7; 16]), Err(BadPassword::TooLong));
        assert_eq!(hash("x", 99, [7; 16]), Err(BadPassword::Cost(99)));
    }
}
