//! Every check by its name. A check returns what it objects to.

use crate::template::Template;
use crate::{connections, functions, network, permissions, schedules, watching};

type Check = fn(&Template) -> Vec<String>;

/// All of them.
pub const CHECKS: [(&str, Check); 19] = [
    ("lint", lint),
    ("blocks", functions::blocks),
    ("routes", functions::routes),
    ("authorizer", functions::authorizer),
    ("timeouts", functions::timeouts),
    ("batches", functions::batches),
    ("visibility", functions::visibility),
    ("migrations", functions::migrations),
    ("permissions", permissions::permissions),
    ("calls", permissions::calls),
    ("connections", connections::connections),
    ("proxy", connections::proxy),
    ("schedules", schedules::schedules),
    ("network", network::network),
    ("encryption", network::encryption),
    ("tags", network::tags),
    ("logs", watching::logs),
    ("alarms", watching::alarms),
    ("dashboard", watching::dashboard),
];

fn lint(template: &Template) -> Vec<String> {
    template.findings.clone()
}
