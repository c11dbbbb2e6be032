//! The routes as the contract has them, and how each is asked for what is somebody's.

use serde_json::Value;
use tests::contract::{document, resolve};

/// What somebody has: an LP, a fund, and a commitment of the one in the other.
#[derive(Debug, Clone, Copy)]
pub struct Holding {
    pub lp_id: i64,
    pub fund_id: i64,
    pub commitment_id: i64,
}

impl Holding {
    /// Of nobody: none of it is there.
    pub const NOBODYS: Self = Self {
        lp_id: 987_654_321,
        fund_id: 987_654_321,
        commitment_id: 987_654_321,
    };
}

/// A route of the contract.
#[derive(Debug)]
pub struct Route {
    /// The function that serves it.
    pub name: String,
    pattern: String,
    parameters: Vec<String>,
}

/// All of them.
pub fn routes() -> Vec<Route> {
    let contract = &document();
    let paths = contract["paths"].as_object().expect("paths");
    let routes = paths.iter().flat_map(|(pattern, item)| {
        let operations = item.as_object().expect("operations").iter();
        operations.map(move |(method, operation)| {
            assert_eq!(method, "get", "{pattern}: say here how it is asked");
            read(contract, pattern, operation)
        })
    });
    routes.collect()
}

fn read(contract: &Value, pattern: &str, operation: &Value) -> Route {
    let parameters = operation["parameters"].as_array().expect("parameters");
    let name = |parameter| {
        let name = resolve(contract, parameter)["name"].as_str();
        name.expect("a name").to_owned()
    };
    Route {
        name: operation["operationId"]
            .as_str()
            .expect("a name")
            .to_owned(),
        pattern: pattern.to_owned(),
        parameters: parameters.iter().map(name).collect(),
    }
}

impl Route {
    /// Whether it is about a fund as a whole and not about an LP.
    pub fn is_of_fund(&self) -> bool {
        !self.pattern.contains("{lpId}")
    }

    /// Its path to what somebody has.
    pub fn to(&self, holding: Holding) -> String {
        let path = self.pattern.replace("{lpId}", &holding.lp_id.to_string());
        let path = path.replace("{fundId}", &holding.fund_id.to_string());
        assert!(!path.contains('{'), "{path}: say here whose that is");
        path
    }

    /// Every way of asking about one's own LP for what another has: in the path, or by a filter.
    pub fn beside(&self, mine: Holding, another: Holding) -> Vec<String> {
        let own = self.to(mine);
        let ways = self
            .parameters
            .iter()
            .filter_map(|name| match name.as_str() {
                "fundId" if self.pattern.contains("{fundId}") => (!self.is_of_fund()).then(|| {
                    self.to(Holding {
                        lp_id: mine.lp_id,
                        ..another
                    })
                }),
                "fundId" | "fundIds" => Some(format!("{own}?{name}={}", another.fund_id)),
                "commitmentId" => Some(format!("{own}?{name}={}", another.commitment_id)),
                "lpId" | "asOf" | "startDate" | "endDate" | "granularity" | "types"
                | "metadata" | "limit" | "cursor" | "If-None-Match" => None,
                unknown => panic!(
                    "{}: say here whether {unknown} can name what is another's",
                    self.name
                ),
            });
        ways.collect()
    }

    /// Whether its answers come in pages.
    pub fn has_pages(&self) -> bool {
        self.parameters.iter().any(|name| name == "cursor")
    }
}
