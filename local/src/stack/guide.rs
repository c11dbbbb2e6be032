//! What a user of the running stack is told: the environment file's values, and where to look first.

use anyhow::Result;

use super::data::Pointers;
use super::{Addresses, Variable};
use crate::directory::StateDirectory;
use crate::gateway::tokens::{SigningKey, TokenScope};
use crate::template::Template;

/// Long enough for an afternoon with the stack, or a week.
pub(super) const TOKEN_TTL_SECONDS: i64 = 7 * 24 * 60 * 60;

/// Whom the environment file lets in, and to what.
pub(super) fn identities(
    pointers: &Pointers,
    key: &SigningKey,
    scope: &TokenScope,
    token: &str,
) -> Result<Vec<Variable>> {
    let token_of = |subject: String| key.token(scope, &subject, TOKEN_TTL_SECONDS);
    Ok(vec![
        ("TOKEN", token.to_owned()),
        ("LP_ID", pointers.lp_id.to_string()),
        ("FUND_ID", pointers.fund_id.to_string()),
        ("COMMITMENT_ID", pointers.commitment_id.to_string()),
        ("OTHER_LP_ID", pointers.other_lp_id.to_string()),
        (
            "OTHER_LP_TOKEN",
            token_of(format!("lp-{}", pointers.other_lp_id))?,
        ),
        ("GP_TOKEN", token_of(format!("gp-{}", pointers.fund_id))?),
        ("JWT_ISSUER", scope.issuer.clone()),
        ("JWT_AUDIENCE", scope.audience.clone()),
    ])
}

/// Where to look and what to try, every command ready to be pasted.
pub(super) fn text(
    directory: &StateDirectory,
    template: &Template,
    addresses: &Addresses,
    pointers: &Pointers,
    token: &str,
) -> String {
    let file = directory.environment_file();
    let file = file.display();
    let mut lines = vec![
        String::new(),
        format!("API          {}", addresses.base),
        format!("Key set      {}", addresses.keys),
        format!("Functions    {}/instances", addresses.invoke),
        format!("Metrics      {}", addresses.metrics),
        format!("Logs         {}/logs", directory.path().display()),
        format!("Environment  {file}"),
        String::new(),
        format!(
            "A token for LP {}, in the environment as TOKEN:",
            pointers.lp_id
        ),
        token.to_owned(),
        String::new(),
    ];
    for (route, _) in template.routes() {
        let path = route
            .path
            .replace("{lpId}", &pointers.lp_id.to_string())
            .replace("{fundId}", &pointers.fund_id.to_string());
        // What is about an LP is for its viewers, and the rest for the GP of a fund.
        let token = if route.path.contains("{lpId}") {
            "TOKEN"
        } else {
            "GP_TOKEN"
        };
        lines.push(format!(
            r#"(. {file}; curl -sS -H "Authorization: Bearer ${token}" "$BASE_URL{path}")"#
        ));
    }
    lines.extend([
        String::new(),
        "A capital call for that LP:  make send FILE=events/messages/capital-call.json".to_owned(),
        "The database:                ".to_owned()
            + &format!(r#"(. {file}; psql "$DATABASE_URL")"#),
        "The end:                     Ctrl-C, or make stop".to_owned(),
    ]);
    lines.join("\n")
}
