//! Faults in the environment are named, and no secret is printed.

use super::*;

#[test]
fn what_is_missing_or_malformed_is_named() {
    let missing = DatabaseConfig::read(&Environment::of(&[("DATABASE_URL", "")])).unwrap_err();
    assert_eq!(
        missing.to_string(),
        "the environment variable DATABASE_URL is not set"
    );
    for (variable, value) in [
        ("DATABASE_URL", "postgres://host/db?sslmode=perhaps"),
        ("DATABASE_MAX_CONNECTIONS", "5000"),
        ("REDIS_URL", "http://host"),
        ("REDIS_CLUSTER", "yes"),
        ("REDIS_PREFIX", "{a}"),
        ("ACCESS_TTL_SECONDS", "61"),
        ("RETRY_DELAYS_SECONDS", "5,-1"),
        ("RETRY_DELAYS_SECONDS", "5,"),
        ("REFRESH_DATABASE_SHARE_PERCENT", "five"),
        ("CLOCK_OFFSET_SECONDS", "1e9"),
    ] {
        let error = read_all(&[(variable, value)]).unwrap_err().to_string();
        assert!(error.contains(variable), "{error}");
        assert!(!error.contains(value), "{error}");
    }
}

#[test]
fn what_is_absent_has_its_default() {
    read_all(&[]).unwrap();
    let queue = QueueConfig::read(&Environment::of(&[
        ("QUEUE_URL", "q"),
        ("DEAD_LETTER_QUEUE_URL", "d"),
    ]))
    .unwrap();
    assert_eq!(queue.retry_delays, [5, 25, 125].map(Duration::from_secs));
}

#[test]
fn secrets_do_not_print() {
    let url = [
        ("DATABASE_URL", "postgres://u:hidden@host/db"),
        ("REDIS_URL", "redis://:hidden@host"),
    ];
    let environment = Environment::of(&url);
    let printed = format!(
        "{:?} {:?}",
        DatabaseConfig::read(&environment).unwrap(),
        RedisConfig::read(&environment).unwrap()
    );
    assert!(!printed.contains("hidden"), "{printed}");
}

/// Reads every struct from variables that are right but for those given.
fn read_all(given: &[(&str, &str)]) -> Result<(), ConfigError> {
    let mut variables = vec![
        ("DATABASE_URL", "postgres://host/db"),
        ("REDIS_URL", "redis://host"),
        ("QUEUE_URL", "q"),
        ("DEAD_LETTER_QUEUE_URL", "d"),
    ];
    variables.extend(given);
    let environment = Environment::of(&variables);
    DatabaseConfig::read(&environment)?;
    RedisConfig::read(&environment)?;
    AccessConfig::read(&environment)?;
    QueueConfig::read(&environment)?;
    RefreshConfig::read(&environment)?;
    ClockConfig::read(&environment)?;
    Ok(())
}
